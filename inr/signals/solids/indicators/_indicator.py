"""The indicator of an oriented point cloud, given on a lattice."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from inr.core.registry import Registry
from inr.signals.solids.faces import Faces, Floats

INDICATORS: Registry[type[Indicator]] = Registry("indicator", "inr.signals.solids.indicators")

_PAD = 0.06


class Indicator(ABC):
    """1 outside and -1 inside of a closed cloud in the unit box, 0 on its surface, and smooth between.

    A variant finds a function that is 0 outside and has any value inside. Its value at the median point is that of the
    surface, so a common factor of the areas does not matter. cell: the spacing of the lattice.
    """

    def __init__(self, points: Floats, normals: Floats, areas: Floats, size: int = 128) -> None:
        """points, normals: [N, 3]. areas: [N], what each point represents. size: lattice points a side."""
        self._size, self.cell = size, (1 + 2 * _PAD) / size
        self._values = values = self._found(points, normals, areas)
        middle = float(np.median(self(points)))
        self._values = 1 - values / middle if middle != 0 else np.ones_like(values)

    @abstractmethod
    def _found(self, points: Floats, normals: Floats, areas: Floats) -> Floats:
        """Values [size, size, size] of a function that is 0 outside, at the `_places` of the lattice."""

    def __call__(self, x: Floats) -> Floats:
        """Values [N] at points [N, 3]."""
        from scipy.ndimage import map_coordinates

        found: Floats = map_coordinates(self._values, self._in_cells(x).T, order=1, mode="nearest")
        return found

    def surface(self) -> tuple[Floats, Faces]:
        """Vertices [V, 3] and faces [F, 3] of the zero set, by marching cubes; none if there is no zero."""
        from skimage.measure import marching_cubes

        if not self._values.min() < 0 < self._values.max():
            return np.empty((0, 3)), np.empty((0, 3), np.int64)
        vertices, faces, _, _ = marching_cubes(self._values, 0.0)
        return self._places(vertices.astype(np.float64)), faces.astype(np.int64)

    def _in_cells(self, x: Floats) -> Floats:
        """Points [N, 3] of the unit box in cells of the lattice, from its first point."""
        return (x + _PAD) / self.cell

    def _places(self, index: Floats) -> Floats:
        """The points [N, 3] in the unit box of places in cells of the lattice."""
        return index * self.cell - _PAD
