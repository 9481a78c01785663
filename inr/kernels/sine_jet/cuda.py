"""Jets of networks in Triton: the coupling of streams in each layer as one kernel, each way; products are torch's.

A program has some (point, unit) pairs with all of their streams, which meet there and nowhere else.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._autograd import applied, reference_gradients
from inr.kernels._cuda.launch import block, start
from inr.kernels._cuda.sine_triton import sine_cosine
from inr.kernels._dispatch import is_functional
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise
from inr.kernels.sine_jet import reference


@triton.jit
def _sine_cosine_64(x: tl.tensor) -> tl.tensor:
    """(sin x, cos x) of float64 for |x| up to 1e5, as in `inr.kernels.elementary`: Taylor sums on |r| <= pi / 4."""
    n = tl.floor(x * 0.6366197723675814 + 0.5)
    r = ((x - n * 1.57079625129699707031) - n * 7.54978941586159635335e-8) - n * 5.39030285815811905e-15
    s = r * r
    sine = -1 / 1307674368000.0 + s * (1 / 355687428096000.0)
    sine = 1 / 362880.0 + s * (-1 / 39916800.0 + s * (1 / 6227020800.0 + s * sine))
    sine = r * (1 + s * (-1 / 6.0 + s * (1 / 120.0 + s * (-1 / 5040.0 + s * sine))))
    cosine = 1 / 20922789888000.0 + s * (-1 / 6402373705728000.0)
    cosine = -1 / 3628800.0 + s * (1 / 479001600.0 + s * (-1 / 87178291200.0 + s * cosine))
    cosine = 1 + s * (-0.5 + s * (1 / 24.0 + s * (-1 / 720.0 + s * (1 / 40320.0 + s * cosine))))
    quarter = n - 4 * tl.floor(n * 0.25)
    is_swapped = (quarter == 1) | (quarter == 3)
    wave, other = tl.where(is_swapped, cosine, sine), tl.where(is_swapped, sine, cosine)
    return tl.where(quarter >= 2, -wave, wave), tl.where((quarter == 1) | (quarter == 2), -other, other)


@triton.jit
def _derivatives(x: tl.tensor, omega: tl.tensor, SINE: tl.constexpr, DOUBLE: tl.constexpr) -> tl.tensor:
    """f, f', f'' and f''' at x."""
    if SINE:
        if DOUBLE:
            s, c = _sine_cosine_64(omega * x)
        else:
            s, c = sine_cosine(omega * x)
        value, slope = s, omega * c
        bend, third = -omega * omega * s, -omega * omega * slope
    else:
        e = tl.exp(-2 * tl.abs(x))
        size = (1 - e) / (1 + e)
        value = tl.where(x < 0, -size, size)
        slope = 1 - value * value
        bend, third = -2 * value * slope, slope * (6 * value * value - 2)
    return value, slope, bend, third


@triton.jit
def values(
    z: tl.tensor, h: tl.tensor, omegas: tl.tensor, pairs: tl.tensor, factors: tl.tensor, n: tl.tensor,
    FIRST: tl.constexpr, SECOND: tl.constexpr, TERMS: tl.constexpr,
    SINE: tl.constexpr, DOUBLE: tl.constexpr, BLOCK: tl.constexpr,
) -> None:  # fmt: skip
    """h = jets of f(z), both [1 + FIRST + SECOND, n].

    pairs, factors [SECOND, TERMS]: the terms (i, j) and c of each second stream, filled up with c = 0.
    """
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    step = n.to(tl.int64)
    omega = tl.load(omegas)
    value, slope, bend, _ = _derivatives(tl.load(z + at, mask=inside, other=0), omega, SINE, DOUBLE)
    tl.store(h + at, value, mask=inside)
    for s in range(1, 1 + FIRST):
        tl.store(h + at + s * step, slope * tl.load(z + at + s * step, mask=inside, other=0), mask=inside)
    for q in range(SECOND):
        here = at + (1 + FIRST + q) * step
        total = slope * tl.load(z + here, mask=inside, other=0)
        for t in range(TERMS):
            term = q * TERMS + t
            i, j = tl.load(pairs + 2 * term), tl.load(pairs + 2 * term + 1)
            left = tl.load(z + at + (1 + i) * step, mask=inside, other=0)
            right = tl.load(z + at + (1 + j) * step, mask=inside, other=0)
            total += bend * tl.load(factors + term) * left * right
        tl.store(h + here, total, mask=inside)


@triton.jit
def cotangents(
    z: tl.tensor, g: tl.tensor, found: tl.tensor, omegas: tl.tensor, pairs: tl.tensor, factors: tl.tensor,
    n: tl.tensor, FIRST: tl.constexpr, SECOND: tl.constexpr, TERMS: tl.constexpr,
    SINE: tl.constexpr, DOUBLE: tl.constexpr, BLOCK: tl.constexpr,
) -> None:  # fmt: skip
    """found = cotangents of z from those of h, which are g; all [1 + FIRST + SECOND, n]."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    step = n.to(tl.int64)
    omega = tl.load(omegas)
    _, slope, bend, third = _derivatives(tl.load(z + at, mask=inside, other=0), omega, SINE, DOUBLE)
    total = slope * tl.load(g + at, mask=inside, other=0)
    for s in range(1, 1 + FIRST):
        by = tl.load(g + at + s * step, mask=inside, other=0)
        total += bend * by * tl.load(z + at + s * step, mask=inside, other=0)
        own = slope * by
        for q in range(SECOND):
            by_second = bend * tl.load(g + at + (1 + FIRST + q) * step, mask=inside, other=0)
            for t in range(TERMS):
                term = q * TERMS + t
                i, j = tl.load(pairs + 2 * term), tl.load(pairs + 2 * term + 1)
                c = tl.load(factors + term)
                left = tl.load(z + at + (1 + i) * step, mask=inside, other=0)
                right = tl.load(z + at + (1 + j) * step, mask=inside, other=0)
                own += tl.where(i + 1 == s, c, 0 * c) * by_second * right
                own += tl.where(j + 1 == s, c, 0 * c) * by_second * left
        tl.store(found + at + s * step, own, mask=inside)
    for q in range(SECOND):
        here = at + (1 + FIRST + q) * step
        by = tl.load(g + here, mask=inside, other=0)
        inner = bend * tl.load(z + here, mask=inside, other=0)
        for t in range(TERMS):
            term = q * TERMS + t
            i, j = tl.load(pairs + 2 * term), tl.load(pairs + 2 * term + 1)
            left = tl.load(z + at + (1 + i) * step, mask=inside, other=0)
            right = tl.load(z + at + (1 + j) * step, mask=inside, other=0)
            inner += third * tl.load(factors + term) * left * right
        total += by * inner
        tl.store(found + here, slope * by, mask=inside)
    tl.store(found + at, total, mask=inside)


def _start(kernel: Any, tensors: Sequence[Tensor], activation: Pointwise, plan: JetPlan) -> Tensor:
    z, out = tensors[0], tensors[-1]
    n_terms = max((len(terms) for terms in plan.seconds), default=0)
    filled = [[*terms, *[(0, 0, 0.0)] * (n_terms - len(terms))] for terms in plan.seconds]
    pairs = torch.tensor([term[:2] for terms in filled for term in terms] or [(0, 0)], device=z.device)
    factors = torch.tensor([c for terms in filled for _, _, c in terms] or [0.0], dtype=z.dtype, device=z.device)
    omega = torch.tensor([activation.a], dtype=z.dtype, device=z.device)
    rows = block(256, 4096)
    size = z[0].numel()
    start(
        kernel, (-(-size // rows),), z, *tensors, omega, pairs, factors, size,
        FIRST=plan.n_first, SECOND=len(plan.seconds), TERMS=n_terms,
        SINE=activation.name == "sine", DOUBLE=z.dtype == torch.float64, BLOCK=rows,
    )  # fmt: skip
    return out


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activation: Pointwise, plan: JetPlan, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        ctx.activation, ctx.plan = activation, plan
        whole = z.contiguous()
        return _start(values, (whole, torch.empty_like(whole)), activation, plan)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,), (z,) = grads, ctx.saved_tensors
        if torch.is_grad_enabled() or is_functional(g):

            def plain(sources: Sequence[Any]) -> Tensor:
                return reference.activated(sources[0], ctx.activation, ctx.plan)

            return None, None, *reference_gradients(plain, g, (z,), (True,))
        whole = z.contiguous()
        return (
            None,
            None,
            _start(cotangents, (whole, g.contiguous(), torch.empty_like(whole)), ctx.activation, ctx.plan),
        )


def sine_jet(
    jets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
    plan: JetPlan,
) -> Tensor:
    """See `inr.kernels.sine_jet.sine_jet`."""
    h = jets
    for weight, bias, activation in zip(weights[:-1], biases[:-1], activations, strict=True):
        h = applied(_Activated, activation, plan, reference.affine(h, weight, bias))
    return reference.affine(h, weights[-1], biases[-1])
