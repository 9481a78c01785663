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

from inr.kernels._cpu.grid_cells import (
    BLOCK,
    DIRECTED_CURVATURE,
    DIRECTED_SLOPE,
    SLOPE,
    VALUE,
    Axes,
    differentiate,
    index_corners,
    place,
    prefetch_corners,
    weigh,
)
from inr.kernels.grid_geometry import GridGeometry, Interpolation
from inr.kernels.hash_grid._derivatives import differentiable
from inr.kernels.threads import compiled, in_parts, in_turn

Array = NDArray[Any]

CHUNK = 2048  # points whose results stay in the second-level cache while the levels pass
LEAST_POINTS_PER_THREAD = 512
FAR = 2**20  # bytes of a level from which its rows are prefetched before they are written
BAND, MOST_BANDS = 2**16, 16  # entries of a band of a dense level, at least, and bands of a level, at most


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
    factor = np.empty((1 if v is None else 4, 2 * len(axes), BLOCK), table.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    weight = np.empty((n_corners, BLOCK), table.dtype)
    zero = table.dtype.type(0)
    for chunk in range(start, stop, CHUNK):
        for level in range(len(span)):
            offset, entries, is_dense = span[level]
            rows = table[offset : offset + entries]
            for first in range(chunk, min(chunk + CHUNK, stop), BLOCK):
                count = min(BLOCK, stop - first)
                place(x, first, count, scale[level], smooth, axes, cell, factor)
                if len(factor) > 1:
                    differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
                index_corners(cell, count, stride[level], entries, is_dense != 0, axes, index)
                prefetch_corners(table, offset, index, count)
                weigh(factor, count, v is not None, axes, weight)
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
    low: int,
    high: int,
    out: Array,
) -> None:
    """out[i_m, f] = sum over points of W_m g[(l, f), n], for entries low..high of one level l."""
    n_corners, n_features = 1 << len(axes), len(features)
    cell = np.empty((len(axes), BLOCK), np.uint32)
    factor = np.empty((1 if v is None else 4, 2 * len(axes), BLOCK), g.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    weight = np.empty((n_corners, BLOCK), g.dtype)
    offset, entries, is_dense = span[level]
    rows = out[offset : offset + entries]
    rows[low:high] = 0
    is_whole = low == 0 and high == entries
    for first in range(0, x.shape[1], BLOCK):
        count = min(BLOCK, x.shape[1] - first)
        if not is_whole and _is_beside(
            x[len(axes) - 1, first : first + count], scale[level], stride[level], entries, low, high
        ):
            continue
        place(x, first, count, scale[level], smooth, axes, cell, factor)
        if len(factor) > 1:
            differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
        index_corners(cell, count, stride[level], entries, is_dense != 0, axes, index)
        if rows.size * rows.itemsize >= FAR:
            prefetch_corners(out, offset, index, count)
        weigh(factor, count, v is not None, axes, weight)
        block = g[level * n_features : (level + 1) * n_features, first : first + count]
        if is_whole or _is_within(index, count, low, high):
            _add(rows, index, weight, block, axes, features, None)
        else:
            _add(rows, index, weight, block, axes, features, (np.uint32(low), np.uint32(high)))


@compiled
def _is_beside(last: Array, scale: Array, stride: Array, entries: int, low: int, high: int) -> bool:
    """Whether no corner of the cells of a block of points is among the entries low..high of a dense level.

    last: their coordinates along the axis whose cells are furthest apart in the table.
    """
    least, most, is_inside = last[0], last[0], True
    for i in range(len(last)):
        least, most = min(least, last[i]), max(most, last[i])
        is_inside &= last[i] >= 0 and last[i] <= 1
    if not is_inside:  # or not a number
        return False
    d = len(scale) - 1
    step = np.int64(stride[d])
    before = max(np.int64(0), np.int64(least * scale[d]) - 1)  # a cell to spare, for rounding
    after = np.int64(most * scale[d]) + 4
    if after * step > entries:  # indices past the end begin again at 0
        return False
    return bool(after * step <= low or before * step >= high)


@compiled
def _is_within(index: Array, count: int, low: int, high: int) -> bool:
    """Whether all corners of a block are among the entries low..high."""
    for m in range(len(index)):
        least, most = index[m, 0], index[m, 0]
        for i in range(count):
            least, most = min(least, index[m, i]), max(most, index[m, i])
        if least < low or most >= high:
            return False
    return True


@compiled
def _add(rows: Array, index: Array, weight: Array, block: Array, axes: Axes, features: Axes, bounds: Any) -> None:
    """rows[i_m, f] += W_m block[f, n]. bounds: only for entries from the first to before the second; None: all."""
    n_corners, n_features = 1 << len(axes), len(features)
    for i in range(block.shape[1]):
        for f in range(0, n_features - 3, 4):
            g0, g1, g2, g3 = block[f, i], block[f + 1, i], block[f + 2, i], block[f + 3, i]
            for m in range(n_corners):
                if bounds is not None and (index[m, i] < bounds[0] or index[m, i] >= bounds[1]):
                    continue
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
                if bounds is not None and (index[m, i] < bounds[0] or index[m, i] >= bounds[1]):
                    continue
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
    factor = np.empty((2 if v is None else 4, 2 * len(axes), BLOCK), table.dtype)
    index = np.empty((n_corners, BLOCK), np.uint32)
    dot = np.empty((n_corners, BLOCK), table.dtype)
    total = np.empty((len(axes), BLOCK), x.dtype)
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        total[:] = 0
        for level in range(len(span)):
            offset, entries, is_dense = span[level]
            rows = table[offset : offset + entries]
            place(x, first, count, scale[level], smooth, axes, cell, factor)
            if len(factor) > 1:
                differentiate(x, v, first, count, scale[level], smooth, axes, cell, factor)
            index_corners(cell, count, stride[level], entries, is_dense != 0, axes, index)
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


@lru_cache(maxsize=64)
def _bands(geometry: GridGeometry) -> list[tuple[int, int, int]]:
    """Level and first and last entry of what is written at once; the finest levels first, which take the longest.

    Points that follow each other in a signal are near each other in a dense level, so that a band meets few of them.
    """
    found = []
    for level in reversed(range(geometry.n_levels)):
        entries = geometry.entries[level]
        count = max(1, min(MOST_BANDS, entries // BAND)) if geometry.is_dense[level] else 1
        found += [(level, entries * k // count, entries * (k + 1) // count) for k in range(count)]
    return found


class GridSums:
    """The three sums as functions on tensors, for one geometry and interpolation."""

    def __init__(self, geometry: GridGeometry, interpolation: Interpolation) -> None:
        self.geometry = geometry
        self.interpolation = interpolation

    def settings(self, x: Tensor, n_features: int) -> tuple[Any, ...]:
        arrays = _arrays(self.geometry, x.dtype)
        return (*arrays, self.interpolation == "smoothstep", (0,) * self.geometry.d_in, (0,) * n_features)

    def interpolate(self, x: Tensor, v: Tensor | None, table: Tensor) -> Tensor:
        out = torch.empty((self.geometry.n_levels * table.shape[1], len(x)), dtype=table.dtype)
        settings = self.settings(x, table.shape[1])
        _over_points(interpolate, [_axes_first(x), _axes_first(v), _array(table)], settings, len(x), out)
        return out.t()

    def scatter(self, x: Tensor, v: Tensor | None, g: Tensor) -> Tensor:
        n_features = g.shape[1] // self.geometry.n_levels
        out = torch.empty((self.geometry.total_entries, n_features), dtype=g.dtype)
        inputs = [_axes_first(x), _axes_first(v), _axes_first(g)]
        settings, result = self.settings(x, n_features), _array(out)
        kernel: Any = scatter

        parts = _bands(self.geometry)
        in_turn(len(parts), lambda i: kernel(*inputs, *settings, *parts[i], result))
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
    return differentiable(x, table, GridSums(geometry, interpolation))
