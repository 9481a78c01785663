"""Orthogonal polynomials on the CPU, compiled by numba: a block of points goes up the recurrence in the first cache."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._autograd import applied, tracked
from inr.kernels._dispatch import is_functional
from inr.kernels.polynomials import Basis, reference
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

BLOCK = 16
LEAST_BLOCKS_PER_THREAD = 8


@compiled
def _climb(u: Array, first: int, count: int, plan: Array, value: Array) -> None:
    """value [K + 1, B] of points first.. before scaling."""
    for i in range(BLOCK):
        value[0, i] = 1.0
    for i in range(count):
        value[1, i] = u[first + i]
    for i in range(count, BLOCK):
        value[1, i] = 0.0
    for k in range(2, len(plan)):
        a, b = plan[k, 0], plan[k, 1]
        for i in range(BLOCK):
            value[k, i] = a * value[1, i] * value[k - 1, i] - b * value[k - 2, i]


@compiled
def values(u: Array, plan: Array, start: int, stop: int, out: Array) -> None:
    """out [N, K + 1] of blocks start..stop. plan: rows (a, b, scale) by degree."""
    value = np.zeros((max(2, len(plan)), BLOCK))
    for first in range(start * BLOCK, min(stop * BLOCK, len(u)), BLOCK):
        count = min(BLOCK, len(u) - first)
        _climb(u, first, count, plan, value)
        for i in range(count):
            row = out[first + i]
            for k in range(len(plan)):
                row[k] = plan[k, 2] * value[k, i]


@compiled
def slopes(u: Array, g: Array, plan: Array, start: int, stop: int, out: Array) -> None:
    """out [N] = sum_k g[n, k] dp_k/du of blocks start..stop."""
    value = np.zeros((max(2, len(plan)), BLOCK))
    slope, cotangent = np.zeros_like(value), np.zeros_like(value)
    total = np.zeros(BLOCK)
    slope[1] = 1.0
    for first in range(start * BLOCK, min(stop * BLOCK, len(u)), BLOCK):
        count = min(BLOCK, len(u) - first)
        _climb(u, first, count, plan, value)
        for i in range(count):
            row = g[first + i]
            for k in range(len(plan)):
                cotangent[k, i] = plan[k, 2] * row[k]
        total[:] = cotangent[1]
        for k in range(2, len(plan)):
            a, b = plan[k, 0], plan[k, 1]
            for i in range(BLOCK):
                climbed = a * (value[k - 1, i] + value[1, i] * slope[k - 1, i]) - b * slope[k - 2, i]
                slope[k, i] = climbed
                total[i] += climbed * cotangent[k, i]
        for i in range(count):
            out[first + i] = total[i]


@cache
def _plan(degree: int, basis: Basis) -> Array:
    plan = np.ones((degree + 1, 3))
    plan[2:, :2] = np.array(reference.recurrence(degree, basis)).reshape(-1, 2)
    scale = reference.scales(degree, basis)
    if scale is not None:
        plan[:, 2] = scale.numpy()
    return plan


def _over_blocks(kernel: Any, arrays: list[Array], plan: Array, out: Array) -> None:
    n_blocks = -(-len(arrays[0]) // BLOCK)

    def work(part: int, parts: int) -> None:
        kernel(*arrays, plan, n_blocks * part // parts, n_blocks * (part + 1) // parts, out)

    in_parts(work, n_blocks, LEAST_BLOCKS_PER_THREAD)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, degree: int, basis: Basis) -> Tensor:
        ctx.save_for_backward(u)
        ctx.degree, ctx.basis = degree, basis
        out = torch.empty((*u.shape, degree + 1), dtype=u.dtype)
        points = u.detach().contiguous().view(-1).numpy()
        _over_blocks(values, [points], _plan(degree, basis), out.view(-1, degree + 1).numpy())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,), (u,) = grads, ctx.saved_tensors
        if torch.is_grad_enabled() or is_functional(g):
            with torch.enable_grad():
                source = tracked(u)
                result = reference.polynomials(source, ctx.degree, ctx.basis)
                (by,) = torch.autograd.grad(result, source, g, create_graph=True)
            return by, None, None
        out = torch.empty(u.shape, dtype=u.dtype)
        points = u.detach().contiguous().view(-1).numpy()
        cotangent = g.contiguous().view(-1, ctx.degree + 1).numpy()
        _over_blocks(slopes, [points, cotangent], _plan(ctx.degree, ctx.basis), out.view(-1).numpy())
        return out, None, None


def polynomials(u: Tensor, degree: int, basis: Basis) -> Tensor:
    """See `inr.kernels.polynomials.polynomials`."""
    return applied(_Value, u, degree, basis)
