"""The rate on the CPU, compiled by numba: value and all gradients in one pass over the grids.

A grid is laid out row after row with a gap of zeros between them that is as wide as a context reaches, so that the
context of consecutive numbers is one shifted run of memory for each neighbour. Numbers are the lanes of vectors, in
blocks that go through the network and back while they stay in the cache; points in a gap have weight 0.

    mix       M_lf = sum_k mix_lfk (grid l + 1 + k, enlarged) + mix_lf,-1, of the size of grid l + 1
    rate      bits, the gradients by neighbours and network, and M_grad, summed over the 2 x 2 numbers that see one M
    collect   D_lfk = M_grad summed over 2^k x 2^k numbers, mix_grad = <D, grid>
    finish    grid_grad = its own + sum_lf mix_lfk D_lfk

Grids are cut into parts of whole rows by their sizes alone, and sums over parts are taken in order, so the result does
not depend on the number of threads.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu.panel_matmul import STEP, add, add_pairs, copy, dot, empty_lines, sum_lanes, twice
from inr.kernels._cpu.skip_network import Network, empty_block, run, run_back
from inr.kernels._cpu.workspace import Lease
from inr.kernels.context_rate import reference
from inr.kernels.context_rate._derivatives import Problem, differentiable
from inr.kernels.elementary import exp, log
from inr.kernels.row_share import ALL, RowShare
from inr.kernels.row_share import LEAST as LEAST_SHARED
from inr.kernels.simd import VECTOR_BYTES, lanes_of
from inr.kernels.threads import compiled, in_turn

Array = NDArray[Any]

VECTORS = 16  # of a block, a multiple of STEP
PART = 32768  # numbers whose sums are taken together, or so
RUN = 4  # parts whose gradients are finished together
BAND = 2048  # numbers whose mixtures are laid out at once, or so
LEAST, SHIFT, SPREAD, LOG2E = reference.LEAST, reference.SHIFT, reference.SPREAD, math.log2(math.e)

# Columns of the plan of grids: its size and distance of rows; where it begins, of all padded numbers; the size of the
# next coarser grid; where its mixtures begin, how far they are apart.
HEIGHT, WIDTH, STRIDE, AT, COARSE_HEIGHT, COARSE_WIDTH, MIXED_AT, MIXED_STEP = range(8)
# Columns of the plan of parts: grid, rows, rows of a band, and where its gradients begin.
GRID, FIRST, LAST, BAND_ROWS, GRAD_AT = range(5)


@compiled
def pad(grid: Array, plan: Array, reach: int, room: int, padded: Array) -> None:
    height, width, stride, at = plan[HEIGHT], plan[WIDTH], plan[STRIDE], plan[AT]
    padded[at - reach * stride - reach : at] = 0
    for r in range(height):
        here = at + r * stride
        padded[here : here + width] = grid[r]
        padded[here + width : here + stride] = 0
    end = at + height * stride
    padded[end : end + room] = 0


@compiled
def mix(plan: Array, level: int, first: int, last: int, factors: Array, padded: Array, mixed: Array) -> None:
    """M_lf for some f. factors: [L, F, L]."""
    n_grids = len(plan)
    for f in range(first, last):
        at = plan[level, MIXED_AT] + f * plan[level, MIXED_STEP]
        constant = factors[level, f, n_grids - 1 - level]
        if level == n_grids - 1:
            mixed[at : at + plan[level, MIXED_STEP]] = constant
        coarser = mixed  # M as far as it is known, one size coarser
        coarser_at = at
        for other in range(n_grids - 1, level, -1):
            height, width, stride, start = plan[other, HEIGHT], plan[other, WIDTH], plan[other, STRIDE], plan[other, AT]
            factor, coarse = factors[level, f, other - level - 1], plan[other, COARSE_WIDTH]
            is_last = other == level + 1
            now = mixed if is_last else np.empty(height * width + 1, padded.dtype)
            now_at = at if is_last else 0
            line = np.empty(2 * coarse, padded.dtype)
            line[:] = constant
            for r in range(height):
                if other < n_grids - 1:
                    twice(coarser, coarser_at + r // 2 * coarse, coarse, line, 0)
                target, begin = now_at + r * width, start + r * stride
                for c in range(width):
                    now[target + c] = factor * padded[begin + c] + line[c]
            coarser, coarser_at = now, now_at


@compiled
def _bits(
    y: Array, y_at: int, block: Array, weight: Array, weight_at: int, stride: int, points: int, cost: Array
) -> None:
    """Adds each lane's bits; rows 0 and 1 of the block, mean and log scale, become the gradients by them."""
    real = block.dtype.type
    half, one, least, spread, shift = real(0.5), real(1), real(LEAST), real(SPREAD), real(SHIFT)
    log2e = real(LOG2E)
    number, w = y[y_at : y_at + points], weight[weight_at : weight_at + points]
    mean, log_scale = block[:points], block[stride : stride + points]
    for i in range(points):
        s = log_scale[i] - shift
        is_free = (s >= -spread) & (s <= spread)
        s = -spread if s < -spread else s
        s = spread if s > spread else s
        t = exp(-s)
        e = number[i] - mean[i]
        d = abs(e)
        near, far = exp(-abs(d - half) * t), exp(-(d + half) * t)
        difference = near - far
        mass = one - half * (near + far) if d < half else half * difference
        is_least = mass < least
        mass = least if is_least else mass
        cost[i] -= w[i] * (log2e * log(mass))
        g = half * (w[i] * log2e) / mass
        g = real(0) if is_least else g
        by_distance = g * t * difference
        mean[i] = by_distance if e < real(0) else -by_distance
        by_scale = g * t * ((half - d) * near + (half + d) * far)
        log_scale[i] = by_scale if is_free else real(0)


@compiled
def _enlarge(mixed: Array, at: int, coarse: int, stride: int, rows: int, out: Array, out_at: int) -> None:
    """Rows of M, 2 x 2 times, in rows that are `stride` apart."""
    for r in range(rows):
        twice(mixed, at + r // 2 * coarse, coarse, out, out_at + r * stride)


@compiled
def _reduce(grad: Array, at: int, coarse: int, stride: int, rows: int, out: Array, out_at: int) -> None:
    """The adjoint of `_enlarge`; gradients in gaps are zeros."""
    for r in range(rows):
        add_pairs(grad, at + r * stride, coarse, r % 2 == 1, out, out_at + r // 2 * coarse)


@compiled
def rate(
    plan: Array,
    part: Array,
    padded: Array,
    mixed: Array,
    neighbours: Array,
    n_mixes: int,
    points: int,
    network: Array,
    network_back: Array,
    weights: Array,
    weights_back: Array,
    biases: Array,
    zeros: Array,
    starts: Array,
    x_row: int,
    has_grad: bool,
    every: int,
    turn: int,
    mixed_grad: Array,
    mixed_grad_at: int,
    mixed_grad_step: int,
    own_grad: Array,
    sums: Array,
) -> float:
    """Bits of a part. neighbours: [K, 2]. own_grad, from GRAD_AT: the gradients by its numbers and what they see.

    sums: the gradients by the network, from `every` bands of rows the one at `turn`, times `every`.
    """
    level = part[GRID]
    width, stride, at = plan[level, WIDTH], plan[level, STRIDE], plan[level, AT]
    coarse, mixed_at, mixed_step = plan[level, COARSE_WIDTH], plan[level, MIXED_AT], plan[level, MIXED_STEP]
    n_near, first, last, band_rows = len(neighbours), part[FIRST], part[LAST], part[BAND_ROWS]
    lanes = lanes_of(padded)
    step = STEP * lanes
    halo, longest = 0, band_rows * stride + points
    shifts = np.empty(n_near, np.int64)
    for k in range(n_near):
        shifts[k] = neighbours[k, 0] * stride + neighbours[k, 1]
        halo = max(halo, -shifts[k])
    block = empty_block(x_row, n_near + n_mixes, points, padded)
    cost = np.zeros(points, padded.dtype)
    far = empty_lines(n_mixes * longest, padded)
    weight = np.zeros(longest, padded.dtype)
    for r in range(band_rows):
        weight[r * stride : r * stride + width] = 1
    totals = empty_lines(len(sums) * lanes, padded)
    grad_at = part[GRAD_AT]
    if has_grad:
        own_grad[grad_at : grad_at + halo + (last - first) * stride + points] = 0
    for top in range(first, last, band_rows):
        counted = totals if top // band_rows % every == turn else totals[:0]
        rows = min(band_rows, last - top)
        length = rows * stride
        weight[length:] = 0
        for f in range(n_mixes):
            begin = mixed_at + f * mixed_step + top // 2 * coarse
            _enlarge(mixed, begin, coarse, stride, rows, far, f * longest)
        for q in range(0, length, points):
            count = min(points, -(-(length - q) // step) * step)
            here = at + top * stride + q
            for k in range(n_near):
                copy(padded, here + shifts[k], count, block, starts[x_row + k])
            for f in range(n_mixes):
                copy(far, f * longest + q, count, block, starts[x_row + n_near + f])
            run(network, weights, biases, starts, block, count)
            _bits(padded, here, block, weight, q, points, count, cost)
            if not has_grad:
                continue
            by_number = grad_at + halo + (top - first) * stride + q
            target = own_grad[by_number : by_number + count]
            for i in range(count):
                target[i] -= block[i]
            run_back(network_back, weights_back, zeros, starts, block, count, counted)
            for k in range(n_near):
                add(block, starts[x_row + k], count, own_grad, by_number + shifts[k])
            for f in range(n_mixes):
                copy(block, starts[x_row + n_near + f], count, far, f * longest + q)
        if has_grad:
            for f in range(n_mixes):
                begin = mixed_grad_at + f * mixed_grad_step + top // 2 * coarse
                _reduce(far, f * longest, coarse, stride, rows, mixed_grad, begin)
                far[f * longest + length : (f + 1) * longest] = 0
    if has_grad:
        sum_lanes(totals, sums)
        sums *= sums.dtype.type(every)
    total = 0.0
    for i in range(points):
        total += cost[i]
    return total


@compiled
def collect(
    plan: Array,
    level: int,
    first: int,
    last: int,
    padded: Array,
    mixed_grad: Array,
    begin: int,
    step: int,
    by_factors: Array,
) -> None:
    """For some f the planes D_lf1, ... after D_lf0, and the gradients by the factors of M_lf. begin: of D_l00."""
    n_grids = len(plan)
    sums, totals = np.zeros(2, padded.dtype), np.zeros(2 * lanes_of(padded), padded.dtype)
    for f in range(first, last):
        at = begin + f * step
        if level == n_grids - 1:
            size = plan[level, COARSE_HEIGHT] * plan[level, COARSE_WIDTH]
            totals[:] = 0
            dot(mixed_grad, at, mixed_grad, at, size, totals)
            sum_lanes(totals, sums)
            by_factors[f, 0] = sums[1]
        for other in range(level + 1, n_grids):
            height, width, stride, start = plan[other, HEIGHT], plan[other, WIDTH], plan[other, STRIDE], plan[other, AT]
            below, coarse = at + height * width, plan[other, COARSE_WIDTH]
            totals[:] = 0
            for r in range(height):
                row = at + r * width
                dot(mixed_grad, row, padded, start + r * stride, width, totals)
                if other + 1 == n_grids:
                    continue
                target, is_added = below + r // 2 * coarse, r % 2 == 1
                add_pairs(mixed_grad, row, width // 2, is_added, mixed_grad, target)
                if width % 2:
                    alone = mixed_grad[row + width - 1]
                    mixed_grad[target + coarse - 1] = mixed_grad[target + coarse - 1] + alone if is_added else alone
            sum_lanes(totals, sums)
            by_factors[f, other - level - 1] = sums[0]
            if other + 1 == n_grids:
                by_factors[f, other - level] = sums[1]
            at = below


@compiled
def finish(
    plan: Array,
    parts: Array,
    start: int,
    stop: int,
    halo: int,
    own_grad: Array,
    factors: Array,
    grad_plan: Array,
    mixed_grad: Array,
    out: Array,
) -> None:
    """The gradient by the numbers of some parts of one grid. grad_plan: [L, 2], where D_l00 is, and D_l10 after it."""
    level = parts[start, GRID]
    width, stride = plan[level, WIDTH], plan[level, STRIDE]
    for i in range(start, stop):
        for r in range(parts[i, FIRST], parts[i, LAST]):
            begin = parts[i, GRAD_AT] + halo + (r - parts[i, FIRST]) * stride
            row = out[r]
            for c in range(width):
                row[c] = own_grad[begin + c]
            for finer in range(level):
                at = grad_plan[finer, 0]
                for other in range(finer + 1, level):
                    at += plan[other, HEIGHT] * plan[other, WIDTH]
                for f in range(factors.shape[1]):
                    factor = factors[finer, f, level - finer - 1]
                    begin = at + f * grad_plan[finer, 1] + r * width
                    for c in range(width):
                        row[c] += factor * mixed_grad[begin + c]


class _Layout:
    """How grids of given shapes and contexts of a given reach are laid out and cut.

    in_pairs: the bands of large grids are pairs of rows, so that some of them can be a share.
    """

    def __init__(
        self,
        shapes: tuple[tuple[int, int], ...],
        offsets: tuple[tuple[int, int], ...],
        n_mixes: int,
        *,
        in_pairs: bool = False,
    ) -> None:
        self.shapes, self.n_mixes = shapes, n_mixes
        self.reach = max(max(-dy, abs(dx)) for dy, dx in offsets)
        self.neighbours = np.array(offsets, np.int64).reshape(len(offsets), 2)
        self.room = VECTORS * VECTOR_BYTES // 4 + self.reach
        n = len(shapes)
        self.plan = np.zeros((n, 8), np.int64)
        self.grad_plan = np.zeros((n, 2), np.int64)
        parts, halos = [], []
        at, mixed_at, mixed_grad_at, grad_at = 0, 0, 0, 0
        for level, (height, width) in enumerate(shapes):
            stride = width + self.reach
            coarse = -(-height // 2), -(-width // 2)
            plane = coarse[0] * coarse[1]
            at += self.reach * stride + self.reach
            self.plan[level] = height, width, stride, at, *coarse, mixed_at, plane
            at += height * stride + self.room
            mixed_at += n_mixes * plane
            below = max(plane, sum(h * w for h, w in shapes[level + 1 :]))
            self.grad_plan[level] = mixed_grad_at, below
            mixed_grad_at += n_mixes * below
            halo = max(-dy * stride - dx for dy, dx in offsets)
            rows = _even(PART, stride)
            for first in range(0, height, rows):
                last = min(first + rows, height)
                band = 2 if in_pairs and height * width >= LEAST_SHARED else min(_even(BAND, stride), rows)
                parts.append((level, first, last, band, grad_at))
                halos.append(halo)
                grad_at += halo + (last - first) * stride + self.room
        self.planes: list[tuple[int, int]] = [(int(at), int(step)) for at, step in self.grad_plan]
        self.parts, self.halos = np.array(parts, np.int64), halos
        self.runs = [  # of parts of one grid, a few
            (start, min(start + RUN, stop))
            for level in range(n)
            for begin, stop in [(bisect_left(parts, (level,)), bisect_left(parts, (level + 1,)))]
            for start in range(begin, stop, RUN)
        ]
        self.n_padded, self.n_mixed, self.n_mixed_grad, self.n_grad = at, mixed_at, mixed_grad_at, grad_at

    def fold(self, own_grad: Array) -> None:
        """Adds what a part found before its first number to the part before it."""
        for i in range(len(self.parts) - 1, 0, -1):
            if self.parts[i, GRID] == self.parts[i - 1, GRID]:
                at, halo = int(self.parts[i, GRAD_AT]), self.halos[i]
                end = at - self.room
                own_grad[end - halo : end] += own_grad[at : at + halo]


def _even(numbers: int, stride: int) -> int:
    return max(2, numbers // stride // 2 * 2)


_layout = lru_cache(maxsize=16)(_Layout)


def _evaluate(problem: Problem, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, Sequence[Tensor | None]]:
    arrays = [tensor.numpy() for tensor in inputs]
    grids, mixes, weights, biases, skip = problem.split(arrays)
    n_mixes, dtype = len(mixes[0]), skip.dtype
    shapes = tuple(grid.shape for grid in grids)
    layout = _layout(shapes, problem.offsets, n_mixes, in_pairs=problem.share.every > 1)
    lanes = VECTOR_BYTES // dtype.itemsize
    points = VECTORS * lanes
    hidden = [weight + np.eye(len(weight), dtype=dtype) for weight in weights[:-1]]
    network = Network([*hidden, weights[-1]], biases, skip, points, lanes)
    sizes = [layout.n_padded, layout.n_mixed, layout.n_mixed_grad * has_grad, layout.n_grad * has_grad]
    lease = Lease(sum(sizes), dtype)
    padded, mixed, mixed_grad, own_grad = np.split(lease.array, np.cumsum(sizes))[:4]
    plan, parts, grad_plan = layout.plan, layout.parts, layout.grad_plan
    kernels: Any = pad, mix, rate, collect, finish
    pad_, mix_, rate_, collect_, finish_ = kernels
    factors = np.zeros((len(grids), n_mixes, len(grids)), dtype)
    for level, matrix in enumerate(mixes):
        factors[level, :, : matrix.shape[1]] = matrix
    # The finest grid has most of the work.
    shares = [(0, f, f + 1) for f in range(n_mixes)] + [(level, 0, n_mixes) for level in range(1, len(grids))]
    in_turn(len(grids), lambda i: pad_(grids[i], plan[i], layout.reach, layout.room, padded))
    in_turn(len(shares), lambda i: mix_(plan, *shares[i], factors, padded, mixed))
    sums = np.zeros((len(parts), 0 if problem.is_network_fixed else network.n_sums), dtype)
    bits = [0.0] * len(parts)
    given = padded, mixed, layout.neighbours, n_mixes, points, *network.operands, has_grad

    def rate_part(i: int) -> None:
        level = parts[i, GRID]
        share = problem.share.of(*layout.shapes[level])
        bits[i] = rate_(plan, parts[i], *given, *share, mixed_grad, *layout.planes[level], own_grad, sums[i])

    in_turn(len(parts), rate_part)
    value = torch.tensor(sum(bits), dtype=inputs[0].dtype)
    if not has_grad:
        return value, []
    by_mixes = [np.empty_like(matrix) for matrix in mixes]
    by_grids = [np.empty_like(grid) for grid in grids]

    def collect_share(i: int) -> None:
        level = shares[i][0]
        collect_(plan, *shares[i], padded, mixed_grad, *layout.planes[level], by_mixes[level])

    def finish_run(i: int) -> None:
        start, stop = layout.runs[i]
        then = layout.halos[start], own_grad, factors, grad_plan, mixed_grad
        finish_(plan, parts, start, stop, *then, by_grids[parts[start, GRID]])

    in_turn(len(shares), collect_share)
    layout.fold(own_grad)
    in_turn(len(layout.runs), finish_run)
    found = [torch.from_numpy(array) for array in (*by_grids, *by_mixes)]
    if problem.is_network_fixed:
        return value, [*found, *[None] * (len(inputs) - len(found))]
    by_weights, by_biases, by_skip = network.unpack(sums.sum(0))
    return value, [*found, *(torch.from_numpy(array) for array in (*by_weights, *by_biases, by_skip))]


def context_rate(
    grids: Sequence[Tensor],
    mixes: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    offsets: Sequence[tuple[int, int]],
    share: RowShare = ALL,
) -> Tensor:
    """See `inr.kernels.context_rate.context_rate`."""
    return differentiable(grids, mixes, weights, biases, skip, offsets, _evaluate, share)
