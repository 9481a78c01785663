"""The spectral Poisson indicator.  Peng et al. 2021, arXiv 2106.03452."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.faces import Floats
from inr.signals.solids.indicators._indicator import INDICATORS, Indicator

_WIDTH = 1.25
"""Standard deviation of the Gaussian that smooths the indicator, in cells, and at least half a point's spacing."""


@INDICATORS.register("poisson")
class Poisson(Indicator):
    """From the Laplacian of the indicator, by FFT on a periodic lattice.

    The gradient of what is 1 inside and 0 outside is -a_i n_i at each point i of the surface, with its area a_i. So the
    Laplacian is known, and the Poisson equation is solved. Holes are closed smoothly.
    """

    def _found(self, points: Floats, normals: Floats, areas: Floats) -> Floats:
        n = self._size
        frequency = np.fft.fftfreq(n)[:, None, None], np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)
        square = frequency[0] ** 2 + frequency[1] ** 2 + frequency[2] ** 2
        square[0, 0, 0] = 1
        spectrum = np.zeros(square.shape, np.complex128)
        for axis, f in enumerate(frequency):
            spectrum += f * np.fft.rfftn(self._spread(points, areas * normals[:, axis]))
        width = max(_WIDTH, 0.5 * float(np.sqrt(np.median(areas))) / self.cell)
        spectrum *= 1j * np.exp(-2 * (np.pi * width) ** 2 * square) / square
        values: Floats = np.fft.irfftn(spectrum)
        values -= np.median(values[0])  # a wall of the box, which is outside
        return values

    def _spread(self, points: Floats, values: Floats) -> Floats:
        """The lattice [n, n, n] of the values [N], each of which is shared by the corners of its cell."""
        at = self._in_cells(points)
        base = np.floor(at).astype(np.int64)
        part = at - base
        lattice = np.zeros(self._size**3)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, part, 1 - part), axis=1)
            index = np.ravel_multi_index(tuple((base + corner).T), (self._size,) * 3)
            lattice += np.bincount(index, weight * values, self._size**3)
        return lattice.reshape((self._size,) * 3)
