"""On which side of an oriented point cloud a place lies: the spectral Poisson indicator."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.faces import Faces, Floats

_PAD = 0.06
_WIDTH = 1.25
"""Standard deviation of the Gaussian that smooths the indicator, in cells, and at least half a point's spacing."""


class Indicator:
    """1 outside and -1 inside of a closed cloud in the unit box, 0 on its surface, and smooth between.

    The gradient of what is 1 inside and 0 outside is -a_i n_i at each point i of the surface, with its area a_i. So the
    Laplacian of the indicator is known, and the Poisson equation is solved by FFT on a periodic lattice (Peng et al.
    2021, arXiv 2106.03452). Holes are closed smoothly. A common factor of the areas is divided out: the value at the
    median point is 0. cell: the spacing of the lattice.
    """

    def __init__(self, points: Floats, normals: Floats, areas: Floats, size: int = 128) -> None:
        """points, normals: [N, 3]. areas: [N], what each point represents. size: lattice points a side."""
        n = self._size = size
        self.cell = (1 + 2 * _PAD) / n
        frequency = np.fft.fftfreq(n)[:, None, None], np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)
        square = frequency[0] ** 2 + frequency[1] ** 2 + frequency[2] ** 2
        square[0, 0, 0] = 1
        spectrum = np.zeros(square.shape, np.complex128)
        for axis, f in enumerate(frequency):
            spectrum += f * np.fft.rfftn(self._spread(points, areas * normals[:, axis]))
        width = max(_WIDTH, 0.5 * float(np.sqrt(np.median(areas))) / self.cell)
        spectrum *= 1j * np.exp(-2 * (np.pi * width) ** 2 * square) / square
        values = np.fft.irfftn(spectrum)
        values -= np.median(values[0])  # a wall of the box, which is outside
        self._values = values
        middle = float(np.median(self(points)))
        self._values = 1 - values / middle if middle != 0 else np.ones_like(values)

    def __call__(self, x: Floats) -> Floats:
        """Values [N] at points [N, 3]."""
        from scipy.ndimage import map_coordinates

        found: Floats = map_coordinates(self._values, ((x + _PAD) / self.cell).T, order=1, mode="nearest")
        return found

    def surface(self) -> tuple[Floats, Faces]:
        """Vertices [V, 3] and faces [F, 3] of the zero set, by marching cubes; none if there is no zero."""
        from skimage.measure import marching_cubes

        if not self._values.min() < 0 < self._values.max():
            return np.empty((0, 3)), np.empty((0, 3), np.int64)
        vertices, faces, _, _ = marching_cubes(self._values, 0.0)
        return vertices.astype(np.float64) * self.cell - _PAD, faces.astype(np.int64)

    def _spread(self, points: Floats, values: Floats) -> Floats:
        """The lattice [n, n, n] of the values [N], each of which is shared by the corners of its cell."""
        at = (points + _PAD) / self.cell
        base = np.floor(at).astype(np.int64)
        part = at - base
        lattice = np.zeros(self._size**3)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, part, 1 - part), axis=1)
            index = np.ravel_multi_index(tuple((base + corner).T), (self._size,) * 3)
            lattice += np.bincount(index, weight * values, self._size**3)
        return lattice.reshape((self._size,) * 3)
