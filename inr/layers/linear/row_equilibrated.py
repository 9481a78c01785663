"""Row equilibration of weight matrices.  Saratchandran, Wang and Lucey 2024, Weight Conditioning, arXiv:2409.03424."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role
from inr.layers.linear.dense import Dense


@LINEARS.register("row_equilibrated")
@dataclass(frozen=True, kw_only=True)
class RowEquilibrated(LinearConfig):
    """W_i = c V_i / |V_i| in hidden layers, with trained V and fixed c; first and last layers stay dense.

    Rows of equal norm make the condition number of W nearly minimal among diagonal row scalings (Van der Sluis 1969).
    Rows are normalised in every forward pass, with gradient. The paper uses c = 1; here c is the root mean square of
    the initialiser's row norms (sqrt(2) / omega for sines), so that activations keep their initial scale. We do not
    know which layers the paper normalises in sine networks. The row norms of the first layer are its frequencies and
    those of the last layer set the range of values, so neither is normalised here.

    In benchmarks/claims.py (64 x 64 picture, 400 steps, 2 seeds) it was below the plain layers: 0.2 to 0.4 dB with ReLU
    on frequencies, 13 to 15 dB with sines.
    """

    eps: float = param(1e-12, "smallest row norm used as a divisor", gt=0)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        if role != "hidden":
            return Dense().build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)
        return RowEquilibratedLinear(d_in, d_out, has_bias=has_bias, role=role, eps=self.eps, generator=generator)


class RowEquilibratedLinear(Linear, HasGradientFactors):
    gain: Tensor  # []

    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, eps: float, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role, self.eps = d_in, d_out, role, eps
        bound = d_in**-0.5
        self.direction = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if has_bias else None
        self.register_buffer("gain", _mean_length(self.direction.detach()))

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.gain * nn.functional.normalize(self.direction, dim=1, eps=self.eps), self.bias

    def assign(self, weight: Tensor) -> None:
        """Take the row directions of `weight`, and the root mean square of its row norms as c."""
        with torch.no_grad():
            self.direction.copy_(weight)
            self.gain.copy_(_mean_length(weight))

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Row i of W is c v / |v|, with the derivative s (I - u u^T), u = v / |v|, s = c / |v|.

        Inner products of gradients are s^2 (<h, h'> - <u, h> <u, h'>), times delta_i delta'_i, summed over rows.
        """
        (h,) = inputs
        size = torch.linalg.vector_norm(self.direction, dim=1).clamp_min(self.eps)
        square = (self.gain / size).square()
        along = cotangent * (h @ (self.direction / size[:, None]).T)
        factors = [factor(h, cotangent=cotangent, weight=square), factor(cotangent=along, weight=-square)]
        return factors if self.bias is None else [*factors, factor(cotangent=cotangent)]


def _mean_length(weight: Tensor) -> Tensor:
    return weight.square().sum(1).mean().sqrt()
