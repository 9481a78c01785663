"""Cells, corner indices and interpolation weights of grid levels, for blocks of points, compiled by numba.

Dimensions are the lengths of tuples, so they are constants of the machine code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.grid_geometry import PRIMES
from inr.kernels.simd import prefetch
from inr.kernels.threads import compiled, compiled_exactly

Array = NDArray[Any]
Axes = tuple[int, ...]

BLOCK = 128
_PRIMES = np.array(PRIMES, dtype=np.uint32)

# Rows of `factor`: the interpolation factors of an axis, their slope, and slope and curvature times the direction.
VALUE, SLOPE, DIRECTED_SLOPE, DIRECTED_CURVATURE = range(4)


@compiled_exactly
def place(x: Array, first: int, count: int, scale: Array, smooth: bool, axes: Axes, cell: Array, factor: Array) -> None:
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
def differentiate(
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
def index_corners(
    cell: Array, count: int, stride: Array, entries: int, is_dense: bool, axes: Axes, index: Array
) -> None:
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
def prefetch_corners(table: Array, offset: int, index: Array, count: int) -> None:
    """Prefetch the rows of a block's corners; neighbours along the first axis are mostly in one cache line."""
    n_features = table.shape[1]
    for m in range(0, len(index), 2):
        for i in range(count):
            prefetch(table, (offset + np.int64(index[m, i])) * n_features)


@compiled
def weigh(factor: Array, count: int, is_directed: bool, axes: Axes, weight: Array) -> None:
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
