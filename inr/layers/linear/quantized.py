"""Matrices of few bits, trained through their rounding.

Hoshikawa, Conde, Ohashi and Irie 2024, Extreme Compression of Adaptive Neural Images, arXiv:2405.16807; the
straight-through gradient is from Bengio, Leonard and Courville 2013, arXiv:1308.3432.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("quantized")
@dataclass(frozen=True, kw_only=True)
class Quantized(LinearConfig):
    """W = s round(V / s), s = max |V| / (2^(bits - 1) - 1), with trained V; dW/dV is taken as the identity.

    Every entry of W is one of 2^bits - 1 multiples of the layer's step s, in training and afterwards; biases are not
    rounded. Files keep V. `fold()` gives the dense network with the rounded matrices, and so does profile `weights` of
    `inr compress`, which codes them as symbols of so many bits.

    After Adaptive Neural Images, whose networks have 4 bits per weight; only its abstract and introduction were read.
    Its scales, which layers it rounds, and its choice of neurons to leave out are not known to us, so the last is
    missing; the step per layer, and 8 bits in the first layer, whose entries are frequencies in a sine network, are
    ours.
    """

    bits: int = param(4, "bits per entry", ge=2, le=16)
    first_bits: int = param(8, "bits per entry of the first layer", ge=2, le=16)

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        bits = self.first_bits if role == "first" else self.bits
        return QuantizedLinear(d_in, d_out, has_bias=has_bias, role=role, bits=bits, generator=generator)


class QuantizedLinear(Linear, HasGradientFactors):
    """latent: V [d_out, d_in]."""

    is_rounded: ClassVar[bool] = True

    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, bits: int, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        self.largest = 2 ** (bits - 1) - 1
        bound = d_in**-0.5
        self.latent = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound, generator=generator)) if has_bias else None

    def symbols(self) -> tuple[Tensor, Tensor]:
        """round(V / s) [d_out, d_in], whole numbers of -largest to largest, and the step s, a scalar."""
        latent = self.latent.detach()
        step = (latent.abs().max() / self.largest).clamp_min(torch.finfo(latent.dtype).tiny)
        return torch.round(latent / step).clamp(-self.largest, self.largest), step

    def effective(self) -> tuple[Tensor, Tensor | None]:
        symbols, step = self.symbols()
        rounded = symbols * step
        # V - V is exactly 0, so that the values are those of the symbols; the gradient is that of V.
        return rounded + (self.latent - self.latent.detach()), self.bias

    def assign(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.latent.copy_(weight)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dV = delta h^T, as if V were not rounded; df/db = delta."""
        return [factor(with_ones(inputs[0], self.bias is not None), cotangent=cotangent)]
