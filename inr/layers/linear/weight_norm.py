"""Weight normalisation.  Salimans and Kingma 2016, arXiv:1602.07868."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.gradient_factors import Factor, HasGradientFactors, factor
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("weight_norm")
@dataclass(frozen=True, kw_only=True)
class WeightNorm(LinearConfig):
    """W_i = g_i V_i / |V_i|, with trained g and V; g starts at |V_i|, so W starts as initialised."""

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        return WeightNormLinear(d_in, d_out, has_bias=has_bias, role=role, generator=generator)


class WeightNormLinear(Linear, HasGradientFactors):
    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        bound = d_in**-0.5
        self.direction = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        self.length = nn.Parameter(torch.linalg.vector_norm(self.direction.detach(), dim=1, keepdim=True))
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if has_bias else None

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.length * nn.functional.normalize(self.direction, dim=1), self.bias

    def assign(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.direction.copy_(weight)
            self.length.copy_(torch.linalg.vector_norm(weight, dim=1, keepdim=True))

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Row i of W is g v / |v|, with derivatives u = v / |v| for g, and s (I - u u^T) for v, s = g / |v|.

        Inner products of gradients are s^2 <h, h'> + (1 - s^2) <u, h> <u, h'>, times delta_i delta'_i, summed over
        rows.
        """
        (h,) = inputs
        square = (self.length[:, 0] / torch.linalg.vector_norm(self.direction, dim=1)).square()
        along = cotangent * (h @ nn.functional.normalize(self.direction, dim=1).T)
        factors = [factor(h, cotangent=cotangent, weight=square), factor(cotangent=along, weight=1 - square)]
        return factors if self.bias is None else [*factors, factor(cotangent=cotangent)]
