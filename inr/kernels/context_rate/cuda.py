"""The rate in Triton: value and all gradients, computed together. Every sum has one order.

All grids lie in one row of numbers, and x [N, K] is the context of each, one column after the other in memory:

    gather    x: neighbours, and mixtures of the coarser grids
    network   mean and log scale (`_skip_triton`), and later the gradients by x and the network
    cost      bits, and the gradients by the number, its mean and its log scale
    spread    the gradients by neighbours; of those by mixtures T_lj = sum_f mix_lfj x_grad_f, and by mix_lf, in parts
    halve     sums of 2 x 2 numbers: a coarser grid j has T_lj of every finer grid l, halved j - l times

A program has a block of numbers of one grid.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, start
from inr.kernels._cuda.skip_triton import SkipNetwork
from inr.kernels.context_rate import reference
from inr.kernels.context_rate._derivatives import Problem, differentiable
from inr.kernels.row_share import ALL, RowShare

LEAST = tl.constexpr(reference.LEAST)
SHIFT, SPREAD = tl.constexpr(reference.SHIFT), tl.constexpr(reference.SPREAD)
LOG2E = tl.constexpr(math.log2(math.e))


@triton.jit
def _place(parts: tl.tensor, plan: tl.tensor, BLOCK: tl.constexpr) -> tl.tensor:
    """The program's grid, where that begins, its height and width, and the numbers of the block within it."""
    part = tl.program_id(0).to(tl.int64)
    level, first = tl.load(parts + 2 * part), tl.load(parts + 2 * part + 1)
    at, height, width = tl.load(plan + 3 * level), tl.load(plan + 3 * level + 1), tl.load(plan + 3 * level + 2)
    return level, at, height, width, first + tl.arange(0, BLOCK)


@triton.jit
def gather(
    numbers: tl.tensor,
    plan: tl.tensor,
    parts: tl.tensor,
    offsets: tl.tensor,
    mixes: tl.tensor,
    x: tl.tensor,
    n: tl.tensor,
    LEVELS: tl.constexpr,
    NEAR: tl.constexpr,
    MIXES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """x[k, n]; mixes [L, F, L]: of each grid, its own place for the factor of one."""
    level, at, height, width, i = _place(parts, plan, BLOCK)
    is_number, row, column = i < height * width, i // width, i % width
    column_size = at * 0 + n  # in 64 bits
    for k in range(NEAR):
        r, c = row + tl.load(offsets + 2 * k), column + tl.load(offsets + 2 * k + 1)
        is_inside = is_number & (r >= 0) & (c >= 0) & (c < width)
        near = tl.load(numbers + at + r * width + c, mask=is_inside, other=0)
        tl.store(x + k * column_size + at + i, near, mask=is_number)
    for f in range(MIXES):
        factors = mixes + (level * MIXES + f) * LEVELS
        total = tl.zeros([BLOCK], tl.float32) + tl.load(factors + level)
        for j in range(LEVELS):
            if j > level:
                start_of, wide = tl.load(plan + 3 * j), tl.load(plan + 3 * j + 2)
                far = start_of + (row >> (j - level)) * wide + (column >> (j - level))
                total += tl.load(factors + j) * tl.load(numbers + far, mask=is_number, other=0)
        tl.store(x + (NEAR + f) * column_size + at + i, total, mask=is_number)


@triton.jit
def cost(
    numbers: tl.tensor,
    y: tl.tensor,
    bits: tl.tensor,
    own: tl.tensor,
    n: tl.tensor,
    HAS_GRAD: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """bits: a sum per block; own [N]: the gradient by the number itself; y [N, 2]: becomes the gradient by y."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_number = at < n
    e = tl.load(numbers + at, mask=is_number, other=0) - tl.load(y + 2 * at, mask=is_number, other=0)
    s = tl.load(y + 2 * at + 1, mask=is_number, other=0) - SHIFT
    is_free = (s >= -SPREAD) & (s <= SPREAD)
    s = tl.where(s < -SPREAD, -SPREAD, s)
    t = tl.exp(-tl.where(s > SPREAD, SPREAD, s))
    d = tl.abs(e)
    near, far = tl.exp(-tl.abs(d - 0.5) * t), tl.exp(-(d + 0.5) * t)
    mass = tl.where(d < 0.5, 1 - 0.5 * (near + far), 0.5 * (near - far))
    is_least = mass < LEAST
    mass = tl.where(is_least, LEAST, mass)
    tl.store(bits + tl.program_id(0), tl.sum(tl.where(is_number, -LOG2E * tl.log(mass), 0)))
    if HAS_GRAD:
        g = tl.where(is_least, 0, 0.5 * LOG2E / mass)
        by_distance = g * t * (near - far)
        by_number = tl.where(e < 0, -by_distance, tl.where(e > 0, by_distance, 0))
        by_scale = g * t * ((0.5 - d) * near + (0.5 + d) * far)
        tl.store(own + at, by_number, mask=is_number)
        tl.store(y + 2 * at, -by_number, mask=is_number)
        tl.store(y + 2 * at + 1, tl.where(is_free, by_scale, 0), mask=is_number)


@triton.jit
def spread(
    numbers: tl.tensor,
    plan: tl.tensor,
    parts: tl.tensor,
    offsets: tl.tensor,
    mixes: tl.tensor,
    x_grad: tl.tensor,
    own: tl.tensor,
    out: tl.tensor,
    shares: tl.tensor,
    by_mixes: tl.tensor,
    n: tl.tensor,
    LEVELS: tl.constexpr,
    NEAR: tl.constexpr,
    MIXES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out [N]: own, and what neighbours say; shares[j, n]: T_lj; by_mixes [parts, F, L]."""
    level, at, height, width, i = _place(parts, plan, BLOCK)
    is_number, row, column = i < height * width, i // width, i % width
    column_size = at * 0 + n  # in 64 bits
    total = tl.load(own + at + i, mask=is_number, other=0)
    for k in range(NEAR):
        r, c = row - tl.load(offsets + 2 * k), column - tl.load(offsets + 2 * k + 1)
        is_inside = is_number & (r < height) & (c >= 0) & (c < width)
        total += tl.load(x_grad + k * column_size + at + r * width + c, mask=is_inside, other=0)
    tl.store(out + at + i, total, mask=is_number)
    for j in range(LEVELS):
        if j >= level:
            start_of, wide = tl.load(plan + 3 * j), tl.load(plan + 3 * j + 2)
            far = start_of + (row >> (j - level)) * wide + (column >> (j - level))
            value = tl.load(numbers + far, mask=is_number, other=0)
            value = tl.where(j == level, 1, value)
            share = tl.zeros([BLOCK], tl.float32)
            for f in range(MIXES):
                grad = tl.load(x_grad + (NEAR + f) * column_size + at + i, mask=is_number, other=0)
                share += tl.load(mixes + (level * MIXES + f) * LEVELS + j) * grad
                of_part = (tl.program_id(0).to(tl.int64) * MIXES + f) * LEVELS + j
                tl.store(by_mixes + of_part, tl.sum(grad * value))
            tl.store(shares + j * column_size + at + i, share, mask=is_number)


@triton.jit
def halve(
    shares: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    fine: tl.tensor,
    fine_height: tl.tensor,
    fine_width: tl.tensor,
    coarse: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    level: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """shares of the next coarser grid `level` += sums of 2 x 2 of those of a grid; its own share goes to out."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    j = tl.program_id(1).to(tl.int64) + level
    is_number, row, column = i < height * width, i // width, i % width
    total = tl.zeros([BLOCK], tl.float32)
    for corner in range(4):
        r, c = 2 * row + corner // 2, 2 * column + corner % 2
        is_inside = is_number & (r < fine_height) & (c < fine_width)
        total += tl.load(shares + j * n + fine + r * fine_width + c, mask=is_inside, other=0)
    target = shares + j * n + coarse + i
    if j == level:
        target = out + coarse + i
    tl.store(target, total + tl.load(target, mask=is_number, other=0), mask=is_number)


class _Plan:
    """Where grids of given shapes lie, and the blocks of numbers that programs have."""

    def __init__(
        self, shapes: tuple[tuple[int, int], ...], offsets: tuple[tuple[int, int], ...], rows: int, device: torch.device
    ) -> None:
        self.shapes, self.sizes, self.rows = shapes, [height * width for height, width in shapes], rows
        self.begins = [sum(self.sizes[:level]) for level in range(len(shapes))]
        self.parts_per_grid = [-(-size // rows) for size in self.sizes]
        rows_of_plan = [(begin, *shape) for begin, shape in zip(self.begins, shapes, strict=True)]
        parts = [(level, first) for level, size in enumerate(self.sizes) for first in range(0, size, rows)]
        self.tables = [
            torch.tensor(rows_of_plan, dtype=torch.int64).to(device),
            torch.tensor(parts, dtype=torch.int64).to(device),
            torch.tensor(offsets, dtype=torch.int64).to(device),
        ]
        self.n_parts = len(parts)


_plan = lru_cache(maxsize=16)(_Plan)


def _evaluate(problem: Problem, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, list[Tensor]]:
    grids, mixes, weights, biases, skip = problem.split(inputs)
    device, n_levels, n_mixes, rows = skip.device, len(grids), len(mixes[0]), block(256)
    plan = _plan(tuple((len(grid), grid.shape[1]) for grid in grids), problem.offsets, rows, device)
    numbers = torch.cat([grid.reshape(-1) for grid in grids])
    n = len(numbers)
    factors = torch.zeros((n_levels, n_mixes, n_levels), device=device)
    for level, matrix in enumerate(mixes):
        factors[level, :, level:] = matrix.roll(1, 1)
    constants = {"LEVELS": n_levels, "NEAR": len(problem.offsets), "MIXES": n_mixes, "BLOCK": rows}
    x = torch.empty((skip.shape[1], n), device=device)
    start(gather, (plan.n_parts,), x, numbers, *plan.tables, factors, x, n, **constants)
    network = SkipNetwork([*(matrix + _one(matrix) for matrix in weights[:-1]), weights[-1]], biases, skip)
    y, kept = network.values(x.t(), is_kept=has_grad)
    blocks = -(-n // rows)
    bits, own = torch.empty(blocks, device=device), torch.empty(n if has_grad else 0, device=device)
    start(cost, (blocks,), x, numbers, y, bits, own, n, HAS_GRAD=has_grad, BLOCK=rows)
    value = bits.double().sum().to(skip.dtype)
    if not has_grad:
        return value, []
    x_grad, by_weights, by_biases, by_skip = network.gradients(x.t(), y, kept)
    x_grad = x_grad.t().contiguous()
    out, shares = torch.empty(n, device=device), torch.empty((n_levels, n), device=device)
    parts = torch.empty((plan.n_parts, n_mixes, n_levels), device=device)
    inputs_of_spread = numbers, *plan.tables, factors, x_grad, own, out, shares, parts, n
    start(spread, (plan.n_parts,), x, *inputs_of_spread, **constants)
    for level in range(1, n_levels):
        fine, coarse = ((plan.begins[i], *plan.shapes[i]) for i in (level - 1, level))
        programs = -(-plan.sizes[level] // rows), n_levels - level
        start(halve, programs, x, shares, out, n, *fine, *coarse, level, BLOCK=rows)
    by_grids = [part.reshape(grid.shape) for part, grid in zip(torch.split(out, plan.sizes), grids, strict=True)]
    by_mixes = [
        part.sum(0)[:, level:].roll(-1, 1) for level, part in enumerate(torch.split(parts, plan.parts_per_grid))
    ]
    return value, [*by_grids, *by_mixes, *by_weights, *by_biases, by_skip]


def _one(matrix: Tensor) -> Tensor:
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)


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
