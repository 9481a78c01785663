"""The plain linear layer, a matrix and a bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("dense")
@dataclass(frozen=True, kw_only=True)
class Dense(LinearConfig):
    """y = h W^T + b. Default initialisation: W, b ~ U(+-1/sqrt(d_in)), as in torch."""

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        return DenseLinear(d_in, d_out, has_bias=has_bias, role=role, generator=generator)


class DenseLinear(Linear, HasGradientFactors):
    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        bound = d_in**-0.5
        self.weight = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        bias = torch.empty(d_out).uniform_(-bound, bound, generator=generator) if has_bias else None
        self.bias = None if bias is None else nn.Parameter(bias)

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.weight, self.bias

    def assign(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.weight.copy_(weight)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dW = delta h^T, df/db = delta."""
        return [factor(with_ones(inputs[0], self.bias is not None), cotangent=cotangent)]
