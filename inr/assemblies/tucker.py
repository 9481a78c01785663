"""Core tensor contracted with one-dimensional networks.  Vemuri et al. 2026 (F-INR), arXiv:2503.21507; Tucker 1966."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._assembly import ASSEMBLIES, Assembly
from inr.assemblies._body import BodyPlan
from inr.assemblies._factorised import Factorised, FactorisedConfig, unflattened
from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor


@ASSEMBLIES.register("tucker")
@dataclass(frozen=True, kw_only=True)
class TuckerConfig(FactorisedConfig):
    """y_c(x) = sum over r_1..r_D of K[r_1, ..., r_D, c] prod_i phi^i_{r_i}(x_i), with a trained core K.

    The standard definition; the paper does not state the layout of channels. K starts at N(0, R^-D) and has R^D C
    numbers.
    """

    rank: int | None = param(
        None, "rank R; none: 64 for one and two axes, 32 for three, 12 for four and more", ge=1, le=65536
    )

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return self.started(Tucker(self.rank or {1: 64, 2: 64, 3: 32}.get(d_in, 12), plan, d_in, d_out, generator))


class Tucker(Factorised, HasGradientFactors):
    role = "last"

    def __init__(self, rank: int, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__(plan, [rank] * d_in, 1.0, generator)
        core = torch.randn(*[rank] * d_in, d_out, generator=generator)
        self.core = nn.Parameter(core * rank ** (-0.5 * d_in))

    def at_points(self, factors: Sequence[Tensor]) -> Tensor:
        half = len(factors) - len(factors) // 2
        weights = factors[0]
        for f in factors[1:half]:
            weights = (weights.unsqueeze(-1) * f.unsqueeze(-2)).flatten(-2)
        y = weights @ self.core.flatten(0, half - 1).flatten(1)  # [*B, R ... R C]
        for f in factors[half:]:
            y = (f.unsqueeze(-2) @ unflattened(y, (f.shape[-1], y.shape[-1] // f.shape[-1]))).squeeze(-2)
        return y

    def at_products(self, factors: Sequence[Tensor]) -> Tensor:
        y = self.core
        for f in factors:  # contracts the leading rank and appends the axis
            y = torch.tensordot(y, f, dims=([0], [1]))
        return y.movedim(0, -1)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Gradient of the core: the product of the bodies' outputs."""
        axes = torch.split(inputs[0], 1, -1)
        return [factor(*(body(t) for body, t in zip(self.bodies, axes, strict=True)), cotangent=cotangent)]
