"""Random functions whose covariance is the tangent kernel: many of them from one pass over the points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.gradient_factors import Factor, Rows, SparseRows
from inr.ntk.kernel.estimates import Estimate
from inr.ntk.kernel.gram import squared_norms
from inr.ntk.kernel.memory import allowed, require
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.kernel.units import ROWS, capture, factors_of, units_of

MOST_PER_POINT = 4096
"""Gradients at every point are computed for modules without stated structure of at most this many parameters."""


@dataclass(frozen=True)
class Sketch:
    """S independent draws of random functions that have the kernel as their covariance, at N points.

    added, taken: [S, N, C'], E (added added^T - taken taken^T) = Theta; `taken` is None if no layer's structure has
    negative weights; the kernel is then about the mean of added added^T. C' is C for channels "full" and "mean",
    else 1. traces: exact, by layer; None if draws are directions of all parameters. values: f(x) [N, C].
    is_mean: whether the kernel is the mean over channels.
    """

    added: Tensor
    taken: Tensor | None
    traces: Mapping[str, float] | None
    values: Tensor
    is_mean: bool

    @property
    def trace(self) -> float:
        """tr Theta: exact if there are `traces`, else the mean over draws."""
        if self.traces is not None:
            return math.fsum(self.traces.values())
        return float(self.added.double().square().sum()) / len(self.added) / self._share

    @property
    def _share(self) -> int:
        return self.added.shape[2] if self.is_mean else 1

    def squared_frobenius(self) -> Estimate:
        """|Theta|_F^2 = E <s_a, s_b>^2 over pairs of different draws, without bias. Not for channels "mean"."""
        if self.is_mean:
            raise UsageError("the norm cannot be estimated for channels 'mean'", "use channels 'full' or 'sum'")
        gram = _gram(self.added, self.added)
        square = gram.square()
        if self.taken is not None:
            square = square - 2 * _gram(self.added, self.taken).square() + _gram(self.taken, self.taken).square()
        s = len(square)
        square = (square + square.T) / 2
        each = (square.sum(1) - square.diagonal()) / (s - 1)
        return Estimate(float(each.mean()), float(2 * each.std() / s**0.5))


def sketch(operator: TangentOperator, probes: int, generator: Generator) -> Sketch:
    """s(x) = J(x) g for random g with E g g^T = I, in each layer a product of random signs.

    A layer with gradient delta h^T takes g = u v^T for vectors of signs u and v, so that s = (delta u)(h v): after one
    forward and C backward passes for h and delta, a draw costs as much as the layer's widths, not its weights. Draws
    are independent; as g is not normal, the variance of squares is slightly larger. If a module without stated
    structure has many parameters, or the operator has weights, draws are pushed through the field one by one.

    probes: S >= 2. Memory S N C' numbers. In the operator's dtype.
    """
    if probes < 2:
        raise UsageError(f"`probes` is {probes}, expected at least 2")
    is_mean = operator.channels == "mean"
    needed = 2 * probes * len(operator.x) * len(operator.seeds) * operator.x.element_size()
    require(f"{probes} draws at {len(operator.x)} points", needed, allowed(None), "use fewer probes, or channels 'sum'")
    units = units_of(operator.field, operator.x)
    if operator.has_weights or any(sum(p.numel() for p in u.others.values()) > MOST_PER_POINT for u in units):
        draws = torch.stack([operator.draw(generator) for _ in range(probes)])
        return Sketch(draws, None, None, operator.values(), is_mean)
    signs: dict[tuple[int, int], _Signs] = {}
    traces = dict.fromkeys((unit.name for unit in units), 0.0)
    added, taken, values = [], [], []
    for x in torch.split(operator.x, ROWS):
        uses, y = capture(operator.field, x, units, operator.seeds)
        values.append(y)
        plus = torch.zeros(probes, len(x), len(operator.seeds), dtype=x.dtype, device=x.device)
        minus: Tensor | None = None
        for i, (unit, of_unit) in enumerate(zip(units, uses, strict=True)):
            factors = factors_of(unit, of_unit)
            share = len(operator.seeds) if is_mean else 1
            traces[unit.name] += float(squared_norms(factors).sum(dtype=torch.float64)) / share
            for j, f in enumerate(factors):
                if (i, j) not in signs:
                    signs[i, j] = _Signs(f, probes, generator)
                more, less = signs[i, j].draw(f)
                plus += more
                if less is not None:
                    minus = less if minus is None else minus + less
        added.append(plus)
        taken.append(minus)
    less_parts = [torch.zeros_like(a) if t is None else t for a, t in zip(added, taken, strict=True)]
    has_taken = any(t is not None for t in taken)
    return Sketch(
        torch.cat(added, 1), torch.cat(less_parts, 1) if has_taken else None, traces, torch.cat(values), is_mean
    )


class _Signs:
    """Random signs for every vector of a factor, and a draw of its function at some points."""

    def __init__(self, f: Factor, probes: int, generator: Generator) -> None:
        first = f.parts[0]
        like = first.cotangent

        def signs(n: int) -> Tensor:
            return (torch.randint(2, (n, probes), generator=generator) * 2 - 1).to(like)

        self.rows = [signs(r.size if isinstance(r, SparseRows) else r.shape[1]) for r in first.rows]
        self.cotangent = signs(like.shape[-1])

    def draw(self, f: Factor) -> tuple[Tensor, Tensor | None]:
        """[S, n, C] each: the part added to the kernel, and the part subtracted from it."""
        if f.weight is None:
            return self._through(f, self.cotangent), None
        root = f.weight.abs().sqrt().unsqueeze(1)
        is_less = (f.weight < 0).unsqueeze(1)
        plus = self._through(f, torch.where(is_less, 0.0, root * self.cotangent))
        return plus, self._through(f, torch.where(is_less, root * self.cotangent, 0.0)) if bool(is_less.any()) else None

    def _through(self, f: Factor, last: Tensor) -> Tensor:
        total: Tensor | None = None
        for part in f.parts:
            s = (part.cotangent @ last).permute(2, 1, 0)
            for rows, sign in zip(part.rows, self.rows, strict=True):
                s = s * _times(rows, sign).T.unsqueeze(-1)
            total = s if total is None else total + s
        assert total is not None
        return total


def _times(rows: Rows, signs: Tensor) -> Tensor:
    """[n, S]."""
    if isinstance(rows, SparseRows):
        return (rows.weights.unsqueeze(-1) * signs[rows.indices]).sum(1)
    return rows @ signs


def _gram(a: Tensor, b: Tensor) -> Tensor:
    return a.double().flatten(1) @ b.double().flatten(1).T
