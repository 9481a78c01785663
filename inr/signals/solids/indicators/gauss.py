"""The indicator by Gauss's formula, which is the winding number of the points.

Barill et al. 2018, Fast winding numbers for soups and clouds; with a width as Lin et al. 2024, arXiv 2405.01634.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from inr.signals.solids.faces import Bools, Floats, Ints
from inr.signals.solids.indicators._indicator import INDICATORS, Indicator

_COARSEST = 32
_REACH = 2
"""How many cells of the coarser lattice from the points values are not interpolated."""

_WIDTH, _NEAREST = 1.5, 24
"""Distance, in spacings of a point, below which it counts less; and how many points at most are looked at for it."""

_CHUNK = 2**17


@INDICATORS.register("gauss")
class Gauss(Indicator):
    """w(q) = sum_i a_i n_i . (p_i - q) / (4 pi max(|p_i - q|, h_i)^3), 1 inside and 0 outside; h_i 1.5 sqrt(a_i).

    It is harmonic away from the points, so values there are interpolated from a lattice of half the size, and so on.
    Far points are summed in groups. Holes are closed where w is as on the surface.
    """

    def _found(self, points: Floats, normals: Floats, areas: Floats) -> Floats:
        sizes = [self._size]
        while sizes[0] > _COARSEST and sizes[0] % 2 == 0:
            sizes.insert(0, sizes[0] // 2)
        sums = _Sums(points, normals, areas)
        every: Floats = np.argwhere(np.ones((sizes[0],) * 3, bool)).astype(np.float64)
        values = sums(self._places(every * (self._size // sizes[0]))).reshape((sizes[0],) * 3)
        for size in sizes[1:]:
            step = self._size // size
            index = np.argwhere(_doubled(_around(self._in_cells(points) / (2 * step), size // 2)))
            values = _interpolated(values)
            values[tuple(index.T)] = sums(self._places((index * step).astype(np.float64)))
        return values


class _Sums:
    """Winding numbers [Q] at points [Q, 3]."""

    def __init__(self, points: Floats, normals: Floats, areas: Floats) -> None:
        from scipy.spatial import cKDTree

        self._points, self._normals, self._areas = map(np.ascontiguousarray, (points, normals, areas))
        self._tree: Any = cKDTree(points)

    def __call__(self, at: Floats) -> Floats:
        import igl

        found: Floats = np.nan_to_num(igl.fast_winding_number(self._points, self._normals, self._areas, at))
        for start in range(0, len(at), _CHUNK):
            here = slice(start, start + _CHUNK)
            found[here] -= self._excess(at[here])
        return found

    def _excess(self, at: Floats) -> Floats:
        """What points nearer than their width count more than they should."""
        distance, near = self._tree.query(at, k=min(_NEAREST, len(self._points)))
        width = _WIDTH * np.sqrt(self._areas[near])
        away = self._points[near] - at[:, None]
        flux = self._areas[near] * np.einsum("qkd,qkd->qk", self._normals[near], away) / (4 * np.pi)
        part = np.maximum(distance, 1e-300) ** -3 - width**-3
        return np.asarray(np.where((distance < width) & (distance > 0), flux * part, 0).sum(axis=1))


def _around(at: Floats, size: int) -> Bools:
    """Which points of a lattice [size, size, size] are near places [N, 3] in it."""
    from scipy.ndimage import maximum_filter

    is_near = np.zeros((size,) * 3, bool)
    corner: Ints = np.floor(at).astype(np.int64)
    for shift in itertools.product((0, 1), repeat=3):
        is_near[tuple(np.clip(corner + shift, 0, size - 1).T)] = True
    return np.asarray(maximum_filter(is_near, 2 * _REACH + 1, mode="constant"))


def _doubled(lattice: Bools) -> Bools:
    """The lattice with every point twice along each axis."""
    for axis in range(3):
        lattice = np.repeat(lattice, 2, axis=axis)
    return lattice


def _interpolated(values: Floats) -> Floats:
    """The lattice of twice the size, with means between neighbours."""
    for axis in range(3):
        after = np.roll(values, -1, axis=axis)
        last = [slice(None)] * 3
        last[axis] = slice(-1, None)
        after[tuple(last)] = values[tuple(last)]
        both = np.stack([values, (values + after) / 2], axis=axis + 1)
        shape = list(values.shape)
        shape[axis] *= 2
        values = both.reshape(shape)
    return values
