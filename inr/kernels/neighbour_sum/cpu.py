"""Sums over a point's nearest kernels on the CPU, compiled by numba: values and first gradients.

The sines of a point and kernel are a row of F that stays in the first-level cache; they are computed again in the
backward pass. A row of the gradient by weight is written by one thread, which takes the points in order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._dispatch import is_functional
from inr.kernels.elementary import MOST_SINE, sine_cosine
from inr.kernels.neighbour_sum import reference
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

LEAST_POINTS_PER_THREAD = 256
LEAST_KERNELS_PER_THREAD = 64


@compiled
def _mix(phi: Any, factors: Any, most: float, sine: Array, cosine: Any) -> None:
    """sin, and unless it is None cos, of phi times the factors; phi and 1 without factors."""
    if factors is None:
        sine[:] = phi
        if cosine is not None:
            cosine[:] = 1
    elif abs(phi) * most <= MOST_SINE:
        for f in range(len(sine)):
            s, c = sine_cosine(phi * factors[f])
            sine[f] = s
            if cosine is not None:
                cosine[f] = c
    else:
        for f in range(len(sine)):
            sine[f] = math.sin(phi * factors[f])
            if cosine is not None:
                cosine[f] = math.cos(phi * factors[f])


@compiled
def gather(
    phi: Array, index: Array, weight: Array, factors: Any, most: float, start: int, stop: int, out: Array
) -> None:
    """out[n] = sum_k weight[index[n, k]] sin(phi[n, k] factors) for the points start..stop."""
    sine = np.empty(weight.shape[1], phi.dtype)
    for n in range(start, stop):
        row = out[n]
        row[:] = 0
        for k in range(phi.shape[1]):
            _mix(phi[n, k], factors, most, sine, None)
            w = weight[index[n, k]]
            for f in range(len(sine)):
                row[f] += w[f] * sine[f]


@compiled
def slope(
    phi: Array, index: Array, weight: Array, factors: Any, most: float, g: Array, start: int, stop: int, out: Array
) -> None:
    """out[n, k] = sum_f g[n, f] weight[index[n, k], f] factors[f] cos(phi[n, k] factors[f])."""
    sine, cosine = np.empty(weight.shape[1], phi.dtype), np.empty(weight.shape[1], phi.dtype)
    for n in range(start, stop):
        for k in range(phi.shape[1]):
            _mix(phi[n, k], factors, most, sine, cosine)
            if factors is not None:
                for f in range(len(cosine)):
                    cosine[f] *= factors[f]
            w = weight[index[n, k]]
            total = phi.dtype.type(0)
            for f in range(len(cosine)):
                total += g[n, f] * w[f] * cosine[f]
            out[n, k] = total


@compiled
def scatter(phi: Array, index: Array, factors: Any, most: float, g: Array, start: int, stop: int, out: Array) -> None:
    """out[index[n, k]] += g[n] sin(phi[n, k] factors) for the kernels start..stop."""
    sine = np.empty(g.shape[1], phi.dtype)
    out[start:stop] = 0
    for n in range(len(phi)):
        for k in range(phi.shape[1]):
            at = index[n, k]
            if start <= at < stop:
                _mix(phi[n, k], factors, most, sine, None)
                row = out[at]
                for f in range(len(sine)):
                    row[f] += g[n, f] * sine[f]


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _over(kernel: Any, size: int, least: int, inputs: tuple[Any, ...], out: Tensor) -> Tensor:
    result = out.numpy()

    def work(part: int, parts: int) -> None:
        kernel(*inputs, size * part // parts, size * (part + 1) // parts, result)

    in_parts(work, size, least)
    return out


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, phi: Tensor, weight: Tensor, index: Tensor, factors: Tensor | None) -> Tensor:
        ctx.save_for_backward(phi, weight)
        ctx.index, ctx.factors = index, factors
        ctx.most = 0.0 if factors is None else float(factors.abs().max())
        out = torch.empty((len(phi), weight.shape[1]), dtype=phi.dtype)
        arrays = tuple(_array(tensor) for tensor in (phi, index, weight, factors))
        return _over(gather, len(phi), LEAST_POINTS_PER_THREAD, (*arrays, ctx.most), out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        phi, weight = ctx.saved_tensors
        wanted = asked(ctx, 2)
        if torch.is_grad_enabled() or is_functional(g):
            by = reference_gradients(
                lambda sources: reference.neighbour_sum(sources[0], ctx.index, sources[1], ctx.factors),
                g,
                (phi, weight),
                wanted,
            )
            return *by, None, None
        by_phi, by_weight = None, None
        phis, index, rows, factors, gs = (_array(t) for t in (phi, ctx.index, weight, ctx.factors, g))
        if wanted[0]:
            inputs = phis, index, rows, factors, ctx.most, gs
            by_phi = _over(slope, len(phi), LEAST_POINTS_PER_THREAD, inputs, torch.empty(phi.shape, dtype=phi.dtype))
        if wanted[1]:
            out = torch.empty(weight.shape, dtype=weight.dtype)
            by_weight = _over(scatter, len(weight), LEAST_KERNELS_PER_THREAD, (phis, index, factors, ctx.most, gs), out)
        return by_phi, by_weight, None, None


def neighbour_sum(phi: Tensor, index: Tensor, weight: Tensor, factors: Tensor | None) -> Tensor:
    """See `inr.kernels.neighbour_sum.neighbour_sum`."""
    return applied(_Value, phi.view_as(phi), weight.view_as(weight), index, factors)
