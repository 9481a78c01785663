"""Row equilibration of weight matrices.  Saratchandran, Wang and Lucey 2024, Weight Conditioning, arXiv:2409.03424."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr._config import param
from inr._tangent import Factor, Structured, factor
from inr.layers._linear import LINEARS, Linear, LinearConfig, Role
from inr.layers.dense import Dense


@LINEARS.register("row_equilibrated")
@dataclass(frozen=True, kw_only=True)
class RowEquilibrated(LinearConfig):
    """W_i = c V_i / |V_i| in hidden layers, V trained, c fixed; first and last layers stay dense.

    With rows of equal length the condition number of W is near the least that a diagonal scaling can give (Van der
    Sluis 1969). Rows are normalised in every forward pass, with gradient. The paper has c = 1; here c is the root mean
    square of the row lengths that the initialiser chose (sqrt(2) / omega for sines), so that activations start at their
    own scale. Where the paper puts the map in networks of sines is not known to us: the first layer's row lengths are
    its frequencies and the last one's the range of values, so both stay free.

    In benchmarks/claims.py (64 x 64 picture, 400 steps, 2 seeds) it was below the plain layers: 0.2 to 0.4 dB with ReLU
    on frequencies, 13 to 15 dB with sines.
    """

    eps: float = param(1e-12, "least row length that is divided by", gt=0)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        if role != "hidden":
            return Dense().build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)
        return RowEquilibratedLinear(d_in, d_out, has_bias=has_bias, role=role, eps=self.eps, generator=generator)


class RowEquilibratedLinear(Linear, Structured):
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
        """Directions are those of `weight`, the length of every row its root mean square."""
        with torch.no_grad():
            self.direction.copy_(weight)
            self.gain.copy_(_mean_length(weight))

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Row i of W is c v / |v|, with the derivative s (I - u u^T), u = v / |v|, s = c / |v|.

        Products of gradients are s^2 (<h, h'> - <u, h> <u, h'>), times delta_i delta'_i, summed over rows.
        """
        (h,) = inputs
        size = torch.linalg.vector_norm(self.direction, dim=1).clamp_min(self.eps)
        square = (self.gain / size).square()
        along = cotangent * (h @ (self.direction / size[:, None]).T)
        factors = [factor(h, cotangent=cotangent, weight=square), factor(cotangent=along, weight=-square)]
        return factors if self.bias is None else [*factors, factor(cotangent=cotangent)]


def _mean_length(weight: Tensor) -> Tensor:
    return weight.square().sum(1).mean().sqrt()
