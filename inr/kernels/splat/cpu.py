"""Sums of Gaussians on the CPU, compiled by numba: values and first gradients; higher ones are the reference's.

Points are sorted by the cells of a grid over the box, the first axis fastest. A Gaussian's bounding box then holds, for
each row of cells along that axis, one stretch of points. No pair of a point and a Gaussian is ever stored.

    values, gradient by p            a thread has a range of points and takes all Gaussians in order
    gradients by the Gaussians       a thread has a range of Gaussians and takes all points in order

so that every sum has one order, whatever the number of threads. With o = p - c, y = L^-1 o, w = exp(-|y|^2 / 2),
s = <g, v> and u = -w s y:

    v_grad = sum w g        p_grad = L^-T u        c_grad = -L^-T sum u        L_grad = -tril(L^-T sum u y^T)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._dispatch import is_functional
from inr.kernels.elementary import exp
from inr.kernels.splat import reference
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]
Axes = tuple[int, ...]

HITS = 128  # pairs in reach that are found before they are worked on
POINTS_PER_CELL = 2
CELLS = 1 << 22
LEAST_POINTS_PER_THREAD = 512
LEAST_GAUSSIANS_PER_THREAD = 256


@compiled
def _cell_along(position: Any, per_side: Any, n: int) -> int:
    """The cell of a position along an axis: the border cell outside the box, cell 0 for NaN."""
    scaled = position * per_side
    if scaled >= n - 1:
        return n - 1
    if scaled > 0:
        return int(scaled)
    return 0


@compiled
def sort_points(p: Array, per_side: Array, n: Array, begin: Array, order: Array, sorted_p: Array) -> None:
    """Fills begin [cells + 1] with where each cell's points begin, order [N], and sorted_p [D, N]."""
    cell = np.empty(len(p), np.int64)
    begin[:] = 0
    for i in range(len(p)):
        at, stride = 0, 1
        for d in range(p.shape[1]):
            at += stride * _cell_along(p[i, d], per_side[d], n[d])
            stride *= n[d]
        cell[i] = at
        begin[at + 1] += 1
    for at in range(len(begin) - 1):
        begin[at + 1] += begin[at]
    free = begin[:-1].copy()
    for i in range(len(p)):
        k = free[cell[i]]
        free[cell[i]] += 1
        order[k] = i
        for d in range(p.shape[1]):
            sorted_p[d, k] = p[i, d]


@compiled
def prepare(
    centres: Array,
    factors: Array,
    reach: float,
    per_side: Array,
    n: Array,
    start: int,
    stop: int,
    inverse: Array,
    low: Array,
    high: Array,
) -> None:
    """Inverse factors [M, D, D], and the first and last cells [M, D] of the Gaussians start..stop."""
    d_in = centres.shape[1]
    for m in range(start, stop):
        for row in range(d_in):
            square = factors[m, row, 0] * factors[m, row, 0]
            for e in range(1, row + 1):
                square += factors[m, row, e] * factors[m, row, e]
            extent = centres.dtype.type(reach) * np.sqrt(square)
            low[m, row] = _cell_along(centres[m, row] - extent, per_side[row], n[row])
            high[m, row] = _cell_along(centres[m, row] + extent, per_side[row], n[row])
            for column in range(d_in):
                total = centres.dtype.type(1 if row == column else 0)
                for e in range(column, row):
                    total -= factors[m, row, e] * inverse[m, e, column]
                inverse[m, row, column] = total / factors[m, row, row] if column <= row else 0


@compiled
def _row(rank: int, low: Array, high: Array, n: Array, axes: Axes) -> int:
    """The first cell of the grid's row that is number `rank` of those a bounding box meets."""
    at, stride = 0, n[0]
    for d in range(1, len(axes)):
        span = high[d] - low[d] + 1
        at += stride * (low[d] + rank % span)
        rank //= span
        stride *= n[d]
    return at


@compiled
def _count_rows(low: Array, high: Array, axes: Axes) -> int:
    rows = 1
    for d in range(1, len(axes)):
        rows *= high[d] - low[d] + 1
    return rows


@compiled
def _find(
    p: Array, centre: Array, inverse: Array, limit: Any, k: int, k_last: int, axes: Axes, y: Array, q: Array, hit: Array
) -> tuple[int, int]:
    """Puts points k..k_last that are within reach into y [D, HITS], q [HITS] and hit; until these are full.

    Returns their number and the point to go on from.
    """
    found = 0
    while k < k_last and found < HITS:
        total = limit - limit
        for row in range(len(axes)):
            value = inverse[row, 0] * (p[0, k] - centre[0])
            for e in range(1, row + 1):
                value += inverse[row, e] * (p[e, k] - centre[e])
            y[row, found] = value
            total += value * value
        q[found] = total
        hit[found] = k
        found += total <= limit
        k += 1
    return found, k


@compiled
def gather_values(
    p: Array,
    order: Array,
    begin: Array,
    centres: Array,
    inverse: Array,
    values: Array,
    low: Array,
    high: Array,
    n: Array,
    limit: Any,
    axes: Axes,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """out[order[k]] = sum_m w_mk values[m] for the sorted points k = start..stop."""
    half = p.dtype.type(-0.5)
    y, q = np.empty((len(axes), HITS + 1), p.dtype), np.empty(HITS + 1, p.dtype)
    hit = np.empty(HITS + 1, np.int64)
    total = np.zeros((stop - start, values.shape[1]), p.dtype)
    for m in range(len(centres)):
        for rank in range(_count_rows(low[m], high[m], axes)):
            cells = _row(rank, low[m], high[m], n, axes)
            k = max(start, begin[cells + low[m, 0]])
            k_last = min(stop, begin[cells + high[m, 0] + 1])
            while k < k_last:
                found, k = _find(p, centres[m], inverse[m], limit, k, k_last, axes, y, q, hit)
                for j in range(found):
                    q[j] = exp(half * q[j])
                for j in range(found):
                    row = total[hit[j] - start]
                    for f in range(values.shape[1]):
                        row[f] += q[j] * values[m, f]
    for k in range(start, stop):
        for f in range(values.shape[1]):
            out[order[k], f] = total[k - start, f]


@compiled
def _push(q: Array, y: Array, j: int, g: Array, values: Array, axes: Axes) -> Any:
    """Replaces y by u = -w s y and returns w."""
    w = exp(q.dtype.type(-0.5) * q[j])
    s = g[0] * values[0]
    for f in range(1, len(values)):
        s += g[f] * values[f]
    return w, -w * s


@compiled
def gather_slopes(
    p: Array,
    order: Array,
    begin: Array,
    centres: Array,
    inverse: Array,
    values: Array,
    low: Array,
    high: Array,
    n: Array,
    limit: Any,
    axes: Axes,
    g: Array,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """out[order[k]] = sum_m L_m^-T u_mk for the sorted points k = start..stop."""
    y, q = np.empty((len(axes), HITS + 1), p.dtype), np.empty(HITS + 1, p.dtype)
    hit = np.empty(HITS + 1, np.int64)
    out_sorted = np.zeros((stop - start, len(axes)), p.dtype)
    for m in range(len(centres)):
        for rank in range(_count_rows(low[m], high[m], axes)):
            cells = _row(rank, low[m], high[m], n, axes)
            k = max(start, begin[cells + low[m, 0]])
            k_last = min(stop, begin[cells + high[m, 0] + 1])
            while k < k_last:
                found, k = _find(p, centres[m], inverse[m], limit, k, k_last, axes, y, q, hit)
                for j in range(found):
                    _, push = _push(q, y, j, g[order[hit[j]]], values[m], axes)
                    for row in range(len(axes)):
                        for e in range(row + 1):
                            out_sorted[hit[j] - start, e] += inverse[m, row, e] * push * y[row, j]
    for k in range(start, stop):
        for d in range(len(axes)):
            out[order[k], d] = out_sorted[k - start, d]


@compiled
def scatter(
    p: Array,
    order: Array,
    begin: Array,
    centres: Array,
    inverse: Array,
    values: Array,
    low: Array,
    high: Array,
    n: Array,
    limit: Any,
    axes: Axes,
    g: Array,
    start: int,
    stop: int,
    by_centres: Array,
    by_factors: Array,
    by_values: Array,
) -> None:
    """Gradients by the Gaussians start..stop; g [N, F] is in the order of the sorted points."""
    y, q = np.empty((len(axes), HITS + 1), p.dtype), np.empty(HITS + 1, p.dtype)
    hit = np.empty(HITS + 1, np.int64)
    first, second = np.empty(len(axes), p.dtype), np.empty((len(axes), len(axes)), p.dtype)
    v_grad = np.empty(values.shape[1], p.dtype)
    zero = p.dtype.type(0)
    for m in range(start, stop):
        first[:], second[:], v_grad[:] = zero, zero, zero
        for rank in range(_count_rows(low[m], high[m], axes)):
            cells = _row(rank, low[m], high[m], n, axes)
            k, k_last = begin[cells + low[m, 0]], begin[cells + high[m, 0] + 1]
            while k < k_last:
                found, k = _find(p, centres[m], inverse[m], limit, k, k_last, axes, y, q, hit)
                for j in range(found):
                    w, push = _push(q, y, j, g[hit[j]], values[m], axes)
                    for f in range(values.shape[1]):
                        v_grad[f] += w * g[hit[j], f]
                    for row in range(len(axes)):
                        first[row] += push * y[row, j]
                        for e in range(row + 1):
                            second[row, e] += push * y[row, j] * y[e, j]
        by_values[m] = v_grad
        for column in range(len(axes)):
            total = zero
            for row in range(column, len(axes)):
                total += inverse[m, row, column] * first[row]
            by_centres[m, column] = -total
        for row in range(len(axes)):
            for column in range(len(axes)):
                total = zero
                if column <= row:
                    for e in range(row, len(axes)):
                        total += inverse[m, e, row] * second[e, column]
                by_factors[m, row, column] = -total


class _Sorted:
    """Points and Gaussians of one call, sorted into cells."""

    def __init__(self, p: Tensor, centres: Tensor, factors: Tensor, values: Tensor, size: tuple[float, ...]) -> None:
        self.p, self.centres, self.factors, self.values = (_array(t) for t in (p, centres, factors, values))
        self.size = size

    def find(self, reach: float) -> None:
        d_in, n_gaussians, dtype = len(self.size), len(self.centres), self.p.dtype
        box = np.array(self.size)
        # The side of a cell is about half of what the median Gaussian reaches.
        extent = reach * np.sqrt(np.median(np.square(self.factors).sum(-1), axis=0)) if n_gaussians else box
        most = min(CELLS, 1 + len(self.p) // POINTS_PER_CELL) ** (1 / d_in)
        self.n = np.clip(np.nan_to_num(2 * box / extent, nan=1.0), 1, max(1, most)).astype(np.int64)
        per_side = (self.n / box).astype(dtype)
        self.begin = np.empty(int(self.n.prod()) + 1, np.int64)
        self.order, self.sorted_p = np.empty(len(self.p), np.int64), np.empty((d_in, len(self.p)), dtype)
        sort: Any = sort_points
        sort(self.p, per_side, self.n, self.begin, self.order, self.sorted_p)
        self.inverse = np.empty_like(self.factors)
        self.low, self.high = np.empty((2, n_gaussians, d_in), np.int64)
        self.limit = dtype.type(reach * reach)
        _over(
            prepare,
            n_gaussians,
            LEAST_GAUSSIANS_PER_THREAD,
            (self.centres, self.factors, reach, per_side, self.n),
            (self.inverse, self.low, self.high),
        )

    @property
    def inputs(self) -> tuple[Any, ...]:
        sorted_points = self.sorted_p, self.order, self.begin
        gaussians = self.centres, self.inverse, self.values, self.low, self.high
        return *sorted_points, *gaussians, self.n, self.limit, (0,) * len(self.size)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _over(kernel: Any, size: int, least: int, inputs: tuple[Any, ...], outputs: tuple[Array, ...]) -> None:
    def work(part: int, parts: int) -> None:
        kernel(*inputs, size * part // parts, size * (part + 1) // parts, *outputs)

    in_parts(work, size, least)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, p: Tensor, centres: Tensor, factors: Tensor, values: Tensor, size: tuple[float, ...], reach: float
    ) -> Tensor:
        ctx.save_for_backward(p, centres, factors, values)
        ctx.size, ctx.reach = size, reach
        ctx.found = _Sorted(p, centres, factors, values, size)
        ctx.found.find(reach)
        out = torch.empty((len(p), values.shape[1]), dtype=p.dtype)
        _over(gather_values, len(p), LEAST_POINTS_PER_THREAD, ctx.found.inputs, (out.numpy(),))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        wanted = asked(ctx, 4)
        if torch.is_grad_enabled() or is_functional(g):
            by = reference_gradients(
                lambda s: reference.splat(s[0], s[1], s[2], s[3], ctx.size, ctx.reach), g, ctx.saved_tensors, wanted
            )
            return *by, None, None
        p, centres, factors, values = ctx.saved_tensors  # raises if one was written to since
        found: _Sorted = ctx.found
        rows = _array(g)
        p_grad = None
        if wanted[0]:
            p_grad = torch.empty_like(p, memory_format=torch.contiguous_format)
            inputs = *found.inputs, rows
            _over(gather_slopes, len(p), LEAST_POINTS_PER_THREAD, inputs, (p_grad.numpy(),))
        if not any(wanted[1:]):
            return p_grad, None, None, None, None, None
        made = [torch.empty(t.shape, dtype=t.dtype) for t in (centres, factors, values)]
        inputs = *found.inputs, rows[found.order]
        _over(scatter, len(centres), LEAST_GAUSSIANS_PER_THREAD, inputs, tuple(t.numpy() for t in made))
        return p_grad, *(t if is_wanted else None for t, is_wanted in zip(made, wanted[1:], strict=True)), None, None


def splat(p: Tensor, centres: Tensor, factors: Tensor, values: Tensor, size: tuple[float, ...], reach: float) -> Tensor:
    """See `inr.kernels.splat.splat`."""
    views = (tensor.view_as(tensor) for tensor in (p, centres, factors, values))
    return applied(_Value, *views, size, reach)
