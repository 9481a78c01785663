"""Layers with a learned bound on their row sums.

Liu, Williams, Jacobson, Fidler and Litany 2022, Learning Smooth Neural Functions via Lipschitz Regularization
(SIGGRAPH), arXiv:2202.08345.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("lipschitz")
@dataclass(frozen=True, kw_only=True)
class Lipschitz(LinearConfig):
    """W_i = V_i min(1, softplus(c) / sum_j |V_ij|), with trained V and one c per layer; a loss term keeps c small.

    The loss gains weight times the product of softplus(c) over the layers.
    softplus(c) is a Lipschitz bound of the layer in the maximum norm; the product over the layers bounds the network
    (without its encoding, for activations of slope at most 1). softplus(c) starts at the largest row sum of the
    initialiser's matrix, so that no row is scaled at first.
    """

    weight: float = param(1e-6, "weight of the product of the layers' bounds in the loss", ge=0)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        return LipschitzLinear(d_in, d_out, has_bias=has_bias, role=role, generator=generator)

    def penalty(self, layers: Sequence[Linear]) -> Tensor | None:
        bounds = [layer.bound() for layer in layers if isinstance(layer, LipschitzLinear)]
        return self.weight * torch.stack(bounds).prod() if bounds and self.weight > 0 else None


class LipschitzLinear(Linear, HasGradientFactors):
    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        bound = d_in**-0.5
        self.rows = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        self.c = nn.Parameter(_row_sums(self.rows.detach()).max())
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if has_bias else None

    def bound(self) -> Tensor:
        """softplus(c), a scalar: max_i sum_j |W_ij| is at most this."""
        return nn.functional.softplus(self.c)

    def effective(self) -> tuple[Tensor, Tensor | None]:
        scale = (self.bound() / _row_sums(self.rows).clamp_min(1e-30)).clamp_max(1.0)
        return self.rows * scale, self.bias

    def assign(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.rows.copy_(weight)
            self.c.copy_(_row_sums(weight).max())

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Rows within the bound are unchanged; a row v beyond it becomes v b / l, l = |v|_1, b = softplus(c).

        Its derivative with respect to v is (b / l) (I - s v^T / l) delta h, s = sign(v). Inner products of gradients
        contain <h, h'> - (p q' + q p') / l + n p p' / l^2 with p = <v, h>, q = <s, h>, n = |s|^2; the code completes
        the square.
        """
        (h,) = inputs
        sums = _row_sums(self.rows).clamp_min(1e-30)
        is_cut = (self.bound() < sums)[:, 0].to(h)
        scale = (self.bound() / sums).clamp_max(1.0)[:, 0]
        sign = self.rows.sign()
        n = sign.square().sum(1).clamp_min(1)
        p = cotangent * (h @ (self.rows / sums).T)
        q = cotangent * (h @ sign.T)
        by_c = (p * is_cut).sum(-1, keepdim=True) * torch.sigmoid(self.c)
        square = scale.square()
        factors = [
            factor(h, cotangent=cotangent, weight=square),
            factor(cotangent=p - q / n, weight=is_cut * square * n),
            factor(cotangent=q, weight=-is_cut * square / n),
            factor(cotangent=by_c),
        ]
        return factors if self.bias is None else [*factors, factor(cotangent=cotangent)]


def _row_sums(weight: Tensor) -> Tensor:
    return weight.abs().sum(1, keepdim=True)
