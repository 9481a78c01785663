"""Tables of a grid encoding that start from a signal's own samples, and the linear map that reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.core.samples import Samples
from inr.encodings._grid import GridEncoding
from inr.encodings._interpolation import best_vertices, interpolation_matrix, places_of
from inr.kernels.grid_geometry import GridGeometry

Array = NDArray[Any]

_ROUNDS, _TOLERANCE = 40, 1e-8
"""Of conjugate gradients. The tolerance is of the squared residual, relative to that at the start."""

BLOCK = 2**20
"""Samples that are handled together."""

MARGIN = 2**10
"""Vertices: what a sample contributes to others falls by a factor from each to the next."""


def start_from_samples(encoding: GridEncoding, samples: Samples) -> Tensor:
    """Set the tables from the values y [C] of a lattice's samples; returns the map A [C, L F] that reads them.

    The finest level is dense and no finer than the samples (`GridGeometry.is_no_finer`). With v_1 ... v_C the principal
    directions of the differences between neighbouring samples, the largest first, and K = min(C, F):

    * the finest level holds v_k . y, k = 1 ... K: the samples themselves if it has a vertex on each
      (`GridGeometry.has_vertex_per_sample`), else their least-squares fit;
    * each dense coarser level, the coarsest first, holds the least-squares fit of what the levels before it leave of
      v_k . y, k = K + 1 ... C (at most F of them);
    * A adds the levels up: A e(x) = sum_k v_k (sum of the features that hold v_k . y).

    So with a vertex on every sample A e is exact in the first K directions, and in the others up to what the coarser
    levels cannot hold: the fine detail in the directions that change least. Other features keep their initial values,
    and A does not read them.
    """
    geometry, order = encoding.geometry, samples.order
    assert order is not None
    n_values, n_features, n_levels = samples.spec.d_out, encoding.table.shape[1], geometry.n_levels
    directions = _directions(samples)
    n_fine = min(n_values, n_features)
    n_coarse = min(n_values - n_fine, n_features)
    read = torch.zeros(n_values, encoding.d_out, dtype=torch.float64)
    finest = n_levels - 1
    read[:, finest * n_features :][:, :n_fine] = directions[:n_fine].T
    shape = samples.spec.shape
    assert shape is not None
    has_vertices = geometry.has_vertex_per_sample(shape)
    n_set = n_fine if has_vertices else 0
    rest = np.empty((n_fine - n_set + n_coarse, samples.size), np.float32)
    for start, y in _values(samples):
        along = y @ directions.T.to(y)
        if has_vertices:
            _fill_finest(encoding, samples, start, along[:, :n_fine])
        rest[:, start : start + len(y)] = along[:, n_set : n_fine + n_coarse].T.numpy()
    if has_vertices:
        _fill_border(encoding, shape, n_fine)
    lattices = {
        level: _level_on(encoding, level, shape)
        for level in range(n_levels)
        if geometry.is_dense[level] and (n_coarse if level < finest else not has_vertices)
    }
    for k, component in enumerate(rest, start=n_set):
        left = np.transpose(component.reshape(samples.array_shape()), order)
        if k < n_fine:
            _set(encoding, finest, k, lattices[finest].fitted(left))
            continue
        for level in range(finest):
            if level in lattices:
                entries = lattices[level].fitted(left)
                left = left - lattices[level].values(entries)
                _set(encoding, level, k - n_fine, entries)
                read[:, level * n_features + k - n_fine] = directions[k]
    return read


def _set(encoding: GridEncoding, level: int, feature: int, entries: Array) -> None:
    offset = encoding.geometry.offset[level]
    with torch.no_grad():
        encoding.table[offset : offset + len(entries), feature] = torch.from_numpy(entries)


def _values(samples: Samples) -> Iterator[tuple[int, Tensor]]:
    """First index and values [n, C] of blocks of samples that are whole along every axis of the array but the first."""
    shape = samples.array_shape()
    row = math.prod(shape[1:])
    step = max(1, BLOCK // row) * row
    for start in range(0, samples.size, step):
        yield start, samples.at(torch.arange(start, min(start + step, samples.size)))[1]


def _directions(samples: Samples) -> Tensor:
    """Orthonormal rows [C, C], by the energy of the differences of neighbours along them, the largest first.

    Neighbours that lie in different blocks are left out.
    """
    n_values = samples.spec.d_out
    gram = torch.zeros(n_values, n_values, dtype=torch.float64)
    for _, y in _values(samples):
        block = y.reshape(-1, *samples.array_shape()[1:], n_values)
        for d in range(block.dim() - 1):
            steps = block.diff(dim=d).reshape(-1, n_values).double()
            gram += steps.T @ steps
    directions: Tensor = torch.linalg.eigh(gram).eigenvectors.T.flip(0)
    return directions


def _rows_per_axis(geometry: GridGeometry, order: tuple[int, ...]) -> list[int]:
    """By how many entries the finest level's vertices lie apart along the axes of the array."""
    stride = geometry.stride[-1]
    return [stride[order.index(axis)] for axis in range(len(order))]


def _fill_finest(encoding: GridEncoding, samples: Samples, first: int, values: Tensor) -> None:
    """Set the vertices of a block of samples, the first of which has the flat index `first`, to values [n, K]."""
    assert samples.order is not None
    geometry, shape = encoding.geometry, samples.array_shape()
    row = math.prod(shape[1:])
    ranges = [range(first // row, (first + len(values)) // row), *(range(n) for n in shape[1:])]
    place = torch.zeros((), dtype=torch.int64)
    for indices, apart in zip(ranges, _rows_per_axis(geometry, samples.order), strict=True):
        # sample i is on vertex i + 1
        place = place[..., None] + apart * torch.arange(indices.start + 1, indices.stop + 1)
    with torch.no_grad():
        encoding.table[geometry.offset[-1] + place.flatten(), : values.shape[1]] = values.to(encoding.table)


def _fill_border(encoding: GridEncoding, shape: tuple[int, ...], n_features: int) -> None:
    """Repeat the outer vertices of the finest level. shape: samples per coordinate axis.

    Along the first axis the place before the first vertex is also the one past the last vertex of the row before
    (`grid_geometry`), so it is the mean of both.
    """
    geometry = encoding.geometry
    resolution = geometry.resolution[-1]
    start = geometry.offset[-1]
    with torch.no_grad():
        level = encoding.table[start : start + math.prod(resolution), :n_features]
        grid = level.view(*reversed(resolution), n_features)  # axes from the last coordinate to the first
        for d, n in enumerate(shape):
            axis = len(shape) - 1 - d
            lowest = grid.select(axis, 1)
            if d == 0:
                before = grid.select(axis, n).reshape(-1, n_features).roll(1, 0).view_as(lowest)
                lowest = (lowest + before) / 2
            grid.select(axis, 0).copy_(lowest)
            for beyond in range(n + 1, resolution[d]):
                grid.select(axis, beyond).copy_(grid.select(axis, n))


def _level_on(encoding: GridEncoding, level: int, shape: tuple[int, ...]) -> _LevelOnAxis | _LevelOnLattice:
    geometry = encoding.geometry
    if len(shape) == 1 and geometry.resolution[level][0] < geometry.entries[level]:
        return _LevelOnAxis(encoding, level, shape[0])
    return _LevelOnLattice(encoding, level, shape)


class _LevelOnAxis:
    """A dense level as a linear map from its entries to the n samples of an axis, handled block by block.

    The table has an entry for each of its vertices, also for the one past the end of the axis.
    """

    def __init__(self, encoding: GridEncoding, level: int, n: int) -> None:
        geometry = encoding.geometry
        self._scale, self._count = geometry.scale[level][0], geometry.resolution[level][0] + 1
        self._size, self._n, self._is_smooth = geometry.entries[level], n, encoding.interpolation == "smoothstep"

    def values(self, entries: Array) -> Array:
        """The samples [n] that are read from entries."""
        blocks = [self._matrix(start, min(start + BLOCK, self._n)) for start in range(0, self._n, BLOCK)]
        return np.concatenate([matrix @ entries[first : first + matrix.shape[1]] for first, matrix in blocks])

    def fitted(self, values: Array) -> Array:
        """The entries that fit samples [n] in the least mean square.

        Vertices are fitted in blocks, with margins that are so wide that samples beyond them have no influence.
        """
        entries = np.zeros(self._size, np.float32)
        for block in range(0, self._count, BLOCK):
            start, stop = (self._sample_at(vertex) for vertex in (block - MARGIN, block + BLOCK + MARGIN))
            first, matrix = self._matrix(start, stop)
            found = best_vertices(matrix, values[start:stop])
            own = range(max(block, first), min(block + BLOCK, first + len(found)))
            entries[own.start : own.stop] = found[own.start - first :][: len(own)]
        return entries

    def _sample_at(self, vertex: int) -> int:
        """The first sample at a vertex or after it."""
        return min(max(0, math.ceil((vertex - 0.5) * self._n / self._scale - 0.5)), self._n)

    def _matrix(self, start: int, stop: int) -> tuple[int, Any]:
        """The first vertex that samples start ... stop read, and the matrix from it and those after it."""
        places = places_of(self._n, self._scale, start, stop)
        first = int(places[0])
        return first, interpolation_matrix(places - first, int(places[-1]) + 2 - first, is_smooth=self._is_smooth)


class _LevelOnLattice:
    """A dense level as a linear map from its entries to the samples of a lattice [n_1, ..., n_D].

    It is a product of one interpolation matrix per axis, on vertices that are repeated one step past the end of every
    axis: a cell's corners there are read from the entry that the table has at that place (`grid_geometry`).
    """

    def __init__(self, encoding: GridEncoding, level: int, shape: tuple[int, ...]) -> None:
        geometry = encoding.geometry
        self._size = geometry.entries[level]
        counts, is_smooth = geometry.resolution[level], encoding.interpolation == "smoothstep"
        self._matrices = [
            interpolation_matrix(places_of(n, geometry.scale[level][d]), counts[d] + 1, is_smooth=is_smooth)
            for d, n in enumerate(shape)
        ]
        self._normal = [(m.T @ m).tocsr() for m in self._matrices]
        steps = np.ix_(*(np.arange(r + 1) * s for r, s in zip(counts, geometry.stride[level], strict=True)))
        place = sum(steps[1:], steps[0])
        self._place = np.where(place < self._size, place, place - self._size)

    def values(self, entries: Array) -> Array:
        """The samples [n_1, ..., n_D] that are read from entries."""
        return _by_axis(self._matrices, entries[self._place])

    def fitted(self, values: Array) -> Array:
        """The entries that fit samples [n_1, ..., n_D] in the least mean square, by conjugate gradients."""
        right = self._gathered(_by_axis([m.T.tocsr() for m in self._matrices], values))
        diagonal = self._gathered(_outer([normal.diagonal() for normal in self._normal]))
        scale = np.divide(1, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
        found = np.zeros_like(right)
        left, ahead = right, scale * right
        size = first = float(left @ ahead)
        for _ in range(_ROUNDS):
            if not size > _TOLERANCE * first:
                break
            image = self._gathered(_by_axis(self._normal, ahead[self._place]))
            step = size / float(ahead @ image)
            found, left = found + step * ahead, left - step * image
            before, size = size, float(left @ (scale * left))
            ahead = scale * left + (size / before) * ahead
        return found.astype(np.float32)

    def _gathered(self, vertices: Array) -> Array:
        """Sums per entry over its places: the transpose of reading entries by their places."""
        return np.bincount(self._place.ravel(), vertices.ravel(), self._size)


def _by_axis(matrices: list[Any], values: Array) -> Array:
    """One matrix per axis: from [n_1, ..., n_D] to [m_1, ..., m_D]."""
    for axis, matrix in enumerate(matrices):
        moved = np.moveaxis(values, axis, 0)
        out = (matrix @ moved.reshape(len(moved), -1)).reshape(-1, *moved.shape[1:])
        values = np.moveaxis(out, 0, axis)
    return values


def _outer(rows: list[Array]) -> Array:
    found = rows[0]
    for row in rows[1:]:
        found = found[..., None] * row
    return found
