"""The multiresolution hash grid on the CPU, compiled by numba: the three sums of `_derivatives`.

Features and their cotangents are rows over the points. Points are handled in blocks whose cells, weights and indices
are worked out by loops that vectorise, before the one loop that reads or writes the table. Dimensions and features are
the lengths of tuples, so they are constants of the machine code. A level is written by one thread, so sums have one
order whatever the number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._numba import compiled, compiled_exactly, in_parts, in_turn
from inr.kernels._vectors import prefetch
from inr.kernels.hash_grid._derivatives import differentiable
from inr.kernels.hash_grid._geometry import PRIMES, GridGeometry, Interpolation

Array = NDArray[Any]
Axes = tuple[int, ...]

BLOCK = 128
CHUNK = 2048  # points whose results stay in the second-level cache while the levels pass
LEAST_POINTS_PER_THREAD = 512
FAR = 2**20  # bytes of a level from which on its rows are asked for before they are written
_PRIMES = np.array(PRIMES, dtype=np.uint32)

# Rows of `factor`: the interpolation factors of an axis, their slope, and slope and curvature times the direction.
VALUE, SLOPE, DIRECTED_SLOPE, DIRECTED_CURVATURE = range(4)


@compiled_exactly
def _place(
    x: Array, first: int, count: int, scale: Array, smooth: bool, axes: Axes, cell: Array, factor: Array
) -> None:
    """Cells [D, B] and factors [0, 2 D, B] of points first.. on a level; columns 2 d and 2 d + 1 are axis d's."""
    real = x.dtype.type
    zero, half, one, two, three = real(0), real(0.5), real(1), real(2), real(3)
    for d in range(len(axes)):
        points = x[d, first : first + count]
        s = scale[d]
        for i in range(count):
            bounded = points[i]
            if bounded < zero:
                bounded = zero
            if bounded > one:
                bounded = one
            position = bounded * s + half
            # A coordinate that is not a number is in cell 0 with a fraction that is not a number.
            start = np.int32(position if position >= zero else zero)
            cell[d, i] = start
            t = position - real(start)
            if smooth:
                t = t * t * (three - two * t)
            factor[VALUE, 2 * d, i] = one - t
            factor[VALUE, 2 * d + 1, i] = t


@compiled_exactly
def _differentiate(
    x: Array, v: Any, first: int, count: int, scale: Array, smooth: bool, axes: Axes, cell: Array, factor: Array
) -> None:
    """Adds to `factor` the derivatives of its first row by x, and those along v."""
    real = x.dtype.type
    zero, half, one, two, six = real(0), real(0.5), real(1), real(2), real(6)
    for d in range(len(axes)):
        points = x[d, first : first + count]
        for i in range(count):
            along = scale[d] if points[i] >= zero and points[i] <= one else zero
            if smooth:
                t = points[i] * scale[d] + half - real(np.int32(cell[d, i]))
                slope = six * t * (one - t) * along
                factor[SLOPE, 2 * d, i] = -slope
                factor[SLOPE, 2 * d + 1, i] = slope
            else:
                factor[SLOPE, 2 * d, i] = -along
                factor[SLOPE, 2 * d + 1, i] = along
        if v is not None:
            towards = v[d, first : first + count]
            for i in range(count):
                along = scale[d] if points[i] >= zero and points[i] <= one else zero
                t = points[i] * scale[d] + half - real(np.int32(cell[d, i]))
                curvature = (six - two * six * t) * along * along * towards[i] if smooth else zero
                for side in range(2):
                    factor[DIRECTED_SLOPE, 2 * d + side, i] = towards[i] * factor[SLOPE, 2 * d + side, i]
                factor[DIRECTED_CURVATURE, 2 * d, i] = -curvature
                factor[DIRECTED_CURVATURE, 2 * d + 1, i] = curvature


@compiled
def _index(cell: Array, count: int, stride: Array, entries: int, is_dense: bool, axes: Axes, index: Array) -> None:
    """Rows [2^D, B] of the level's table at the corners of the cells."""
    size = np.uint32(entries)
    for m in range(1 << len(axes)):
        if is_dense:
            for i in range(count):
                at = cell[0, i] + np.uint32(m & 1)
                for d in range(1, len(axes)):
                    at += (cell[d, i] + np.uint32(m >> d & 1)) * stride[d]
                index[m, i] = at if at < size else at - size
        else:
            for i in range(count):
                at = cell[0, i] + np.uint32(m & 1)
                for d in range(1, len(axes)):
                    at ^= (cell[d, i] + np.uint32(m >> d & 1)) * _PRIMES[d]
                index[m, i] = at & (size - np.uint32(1))


@compiled
def _ask_for(table: Array, offset: int, index: Array, count: int) -> None:
    """Has the cache fetch the rows of a block's corners; neighbours along the first axis are mostly of one line."""
    flat, n_features = table.reshape(-1), table.shape[1]
    for m in range(0, len(index), 2):
        for i in range(count):
            prefetch(flat, (offset + np.int64(index[m, i])) * n_features)


@compiled
def _weigh(factor: Array, count: int, is_directed: bool, axes: Axes, weight: Array) -> None:
    """Weights [2^D, B] of the corners, or their derivatives along the direction."""
    for m in range(1 << len(axes)):
        if is_directed:
            weight[m, :count] = 0
            for e in range(len(axes)):
                for i in range(count):
                    w = factor[DIRECTED_SLOPE if e == 0 else VALUE, m & 1, i]
                    for d in range(1, len(axes)):
                        w *= factor[DIRECTED_SLOPE if e == d else VALUE, 2 * d + (m >> d & 1), i]
                    weight[m, i] += w
        else:
            for i in range(count):
                w = factor[VALUE, m & 1, i]
                for d in range(1, len(axes)):
                    w *= factor[VALUE, 2 * d + (m >> d & 1), i]
                weight[m, i] = w


@compiled
def interpolate(
    x: Array,
    v: Any,
    table: Array,
    scale: Array,
    stride: Array,
    span: Array,
    smooth: bool,
    axes: Axes,
    features: Axes,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """out[(l, f), n] = sum_m W_m table[i_m, f] for points start..stop."""
    n_corners, n_features = 1 << len(axes), len(features)
    cell = np.empty((len(axes), BLOCK), np.uint32)
    factor = np.empty((1 if v is None else 4, 2 * len(axes), BLOCK), x.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    weight = np.empty((n_corners, BLOCK), x.dtype)
    zero = x.dtype.type(0)
    for chunk in range(start, stop, CHUNK):
        for level in range(len(span)):
            offset, entries, is_dense = span[level]
            rows = table[offset : offset + entries]
            for first in range(chunk, min(chunk + CHUNK, stop), BLOCK):
                count = min(BLOCK, stop - first)
                _place(x, first, count, scale[level], smooth, axes, cell, factor)
                if len(factor) > 1:
                    _differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
                _index(cell, count, stride[level], entries, is_dense != 0, axes, index)
                _ask_for(table, offset, index, count)
                _weigh(factor, count, v is not None, axes, weight)
                block = out[level * n_features : (level + 1) * n_features, first : first + count]
                for i in range(count):
                    for f in range(0, n_features, 2):
                        pair = f + 1 < n_features
                        left, right = zero, zero
                        for m in range(n_corners):
                            left += weight[m, i] * rows[index[m, i], f]
                            if pair:
                                right += weight[m, i] * rows[index[m, i], f + 1]
                        block[f, i] = left
                        if pair:
                            block[f + 1, i] = right


@compiled
def scatter(
    x: Array,
    v: Any,
    g: Array,
    scale: Array,
    stride: Array,
    span: Array,
    smooth: bool,
    axes: Axes,
    features: Axes,
    level: int,
    out: Array,
) -> None:
    """out[i_m, f] = sum over points of W_m g[(l, f), n], for one level l."""
    n_corners, n_features = 1 << len(axes), len(features)
    cell = np.empty((len(axes), BLOCK), np.uint32)
    factor = np.empty((1 if v is None else 4, 2 * len(axes), BLOCK), x.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    weight = np.empty((n_corners, BLOCK), x.dtype)
    offset, entries, is_dense = span[level]
    rows = out[offset : offset + entries]
    rows[:] = 0
    for first in range(0, x.shape[1], BLOCK):
        count = min(BLOCK, x.shape[1] - first)
        _place(x, first, count, scale[level], smooth, axes, cell, factor)
        if len(factor) > 1:
            _differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
        _index(cell, count, stride[level], entries, is_dense != 0, axes, index)
        if rows.size * rows.itemsize >= FAR:
            _ask_for(out, offset, index, count)
        _weigh(factor, count, v is not None, axes, weight)
        block = g[level * n_features : (level + 1) * n_features, first : first + count]
        for i in range(count):
            for f in range(0, n_features - 3, 4):
                g0, g1, g2, g3 = block[f, i], block[f + 1, i], block[f + 2, i], block[f + 3, i]
                for m in range(n_corners):
                    w, row = weight[m, i], rows[index[m, i]]
                    row[f] += w * g0
                    row[f + 1] += w * g1
                    row[f + 2] += w * g2
                    row[f + 3] += w * g3
            for f in range(n_features // 4 * 4, n_features, 2):
                pair = f + 1 < n_features
                left = block[f, i]
                right = block[f + 1, i] if pair else left
                for m in range(n_corners):
                    w = weight[m, i]
                    rows[index[m, i], f] += w * left
                    if pair:
                        rows[index[m, i], f + 1] += w * right


@compiled
def slope(
    x: Array,
    v: Any,
    table: Array,
    g: Array,
    scale: Array,
    stride: Array,
    span: Array,
    smooth: bool,
    axes: Axes,
    features: Axes,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """out[n, e] = sum over levels and corners of dW_m/dx_e <table[i_m], g[l, n]> for points start..stop."""
    n_corners, n_features = 1 << len(axes), len(features)
    cell = np.empty((len(axes), BLOCK), np.uint32)
    factor = np.empty((2 if v is None else 4, 2 * len(axes), BLOCK), x.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    dot = np.empty((n_corners, BLOCK), x.dtype)
    total = np.empty((len(axes), BLOCK), x.dtype)
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        total[:] = 0
        for level in range(len(span)):
            offset, entries, is_dense = span[level]
            rows = table[offset : offset + entries]
            _place(x, first, count, scale[level], smooth, axes, cell, factor)
            if len(factor) > 1:
                _differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
            _index(cell, count, stride[level], entries, is_dense != 0, axes, index)
            block = g[level * n_features : (level + 1) * n_features, first : first + count]
            for i in range(count):
                for m in range(n_corners):
                    product = rows[index[m, i], 0] * block[0, i]
                    for f in range(1, n_features):
                        product += rows[index[m, i], f] * block[f, i]
                    dot[m, i] = product
            for e in range(len(axes)):
                if v is None:
                    _contract(factor, dot, count, e, -1, axes, total)
                else:
                    for d in range(len(axes)):
                        _contract(factor, dot, count, e, d, axes, total)
        for i in range(count):
            for e in range(len(axes)):
                out[first + i, e] = total[e, i]


@compiled
def _contract(factor: Array, dot: Array, count: int, e: int, d: int, axes: Axes, total: Array) -> None:
    """total[e] += sum_m dot[m] times the derivative of w_m along axis e, and along the direction's part on axis d."""
    for m in range(1 << len(axes)):
        for i in range(count):
            w = dot[m, i]
            for axis in range(len(axes)):
                if axis == e:
                    row = DIRECTED_CURVATURE if axis == d else SLOPE
                else:
                    row = DIRECTED_SLOPE if axis == d else VALUE
                w *= factor[row, 2 * axis + (m >> axis & 1), i]
            total[e, i] += w


@lru_cache(maxsize=64)
def _arrays(geometry: GridGeometry, dtype: torch.dtype) -> tuple[Array, Array, Array]:
    """scale [L, D], stride [L, D] and (offset, entries, is_dense) [L, 3]."""
    scale = torch.tensor(geometry.scale, dtype=dtype).numpy()
    stride = np.array(geometry.stride, dtype=np.uint32)
    span = np.array([geometry.offset, geometry.entries, geometry.is_dense], dtype=np.int64).T.copy()
    return scale, stride, span


class _Grid:
    """The three sums as functions on tensors, for one geometry and interpolation."""

    def __init__(self, geometry: GridGeometry, interpolation: Interpolation) -> None:
        self.geometry = geometry
        self.interpolation = interpolation

    def settings(self, x: Tensor, n_features: int) -> tuple[Any, ...]:
        arrays = _arrays(self.geometry, x.dtype)
        return (*arrays, self.interpolation == "smoothstep", (0,) * self.geometry.d_in, (0,) * n_features)

    def interpolate(self, x: Tensor, v: Tensor | None, table: Tensor) -> Tensor:
        out = torch.empty((self.geometry.n_levels * table.shape[1], len(x)), dtype=x.dtype)
        settings = self.settings(x, table.shape[1])
        _over_points(interpolate, [_axes_first(x), _axes_first(v), _array(table)], settings, len(x), out)
        return out.t()

    def scatter(self, x: Tensor, v: Tensor | None, g: Tensor) -> Tensor:
        n_features = g.shape[1] // self.geometry.n_levels
        out = torch.empty((self.geometry.total_entries, n_features), dtype=x.dtype)
        inputs = [_axes_first(x), _axes_first(v), _axes_first(g)]
        settings, result = self.settings(x, n_features), _array(out)
        kernel: Any = scatter

        n_levels = self.geometry.n_levels
        # the finest first: they take the longest
        in_turn(n_levels, lambda i: kernel(*inputs, *settings, n_levels - 1 - i, result))
        return out

    def slope(self, x: Tensor, v: Tensor | None, table: Tensor, g: Tensor) -> Tensor:
        out = torch.empty(x.shape, dtype=x.dtype)
        settings = self.settings(x, table.shape[1])
        _over_points(slope, [_axes_first(x), _axes_first(v), _array(table), _axes_first(g)], settings, len(x), out)
        return out


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _axes_first(tensor: Tensor | None) -> Any:
    return None if tensor is None else _array(tensor.t())


def _over_points(kernel: Any, arrays: list[Any], settings: tuple[Any, ...], n_points: int, out: Tensor) -> None:
    result = _array(out)

    def work(part: int, parts: int) -> None:
        kernel(*arrays, *settings, n_points * part // parts, n_points * (part + 1) // parts, result)

    in_parts(work, n_points, LEAST_POINTS_PER_THREAD)


def hash_grid(x: Tensor, table: Tensor, geometry: GridGeometry, interpolation: Interpolation) -> Tensor:
    """See `inr.kernels.hash_grid.hash_grid`."""
    return differentiable(x, table, _Grid(geometry, interpolation))
