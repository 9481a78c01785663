"""Complex linear maps on real features.  Saragadam et al. 2023 (WIRE, CVPR), arXiv:2301.05187."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, Part, factor
from inr.layers._complex import as_real, nearest
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role


@LINEARS.register("complex")
@dataclass(frozen=True, kw_only=True)
class Complex(LinearConfig):
    """z = (A + j B) h + a + j b for complex features, m of which are stored as 2 m real ones, [Re | Im].

    As a real map W = [[A, -B], [B, A]]. The first map has real inputs and a real A, so Im z = 0; the last one returns
    only Re z. Use with activations on such pairs (`gabor`). A, B, a, b ~ U(+-1/sqrt(fan_in)), with fan_in in complex
    features, as in torch. Raises ConfigError for an odd number of features.
    """

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        return ComplexLinear(d_in, d_out, has_bias=has_bias, role=role, generator=generator)


class ComplexLinear(Linear, HasGradientFactors):
    def __init__(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = d_in, d_out, role
        for what, n in (("output", d_out if role != "last" else 0), ("input", d_in if role != "first" else 0)):
            if n % 2:
                raise ConfigError(
                    [f"linear 'complex' has {n} {what} features, expected an even number (real and imaginary parts)"]
                )
        n_in = d_in if role == "first" else d_in // 2
        n_out = d_out if role == "last" else d_out // 2
        bound = n_in**-0.5

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound, generator=generator))

        self.real = draw(n_out, n_in)
        self.imag = draw(n_out, n_in) if role != "first" else None
        self.bias_real = draw(n_out) if has_bias else None
        self.bias_imag = draw(n_out) if has_bias and role not in ("first", "last") else None

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self._weight(), self._bias()

    def _weight(self) -> Tensor:
        if self.imag is None:
            return torch.cat([self.real, torch.zeros_like(self.real)])
        if self.role == "last":
            return torch.cat([self.real, -self.imag], dim=1)
        return as_real(self.real, self.imag)

    def _bias(self) -> Tensor | None:
        if self.bias_real is None or self.role == "last":
            return self.bias_real
        return torch.cat(
            [self.bias_real, torch.zeros_like(self.bias_real) if self.bias_imag is None else self.bias_imag]
        )

    def assign(self, weight: Tensor) -> None:
        with torch.no_grad():
            if self.imag is None:
                self.real.copy_(weight[: len(self.real)])
                return
            if self.role == "last":
                real, negative = torch.chunk(weight, 2, dim=1)
                imag = -negative
            else:
                real, imag = nearest(weight)
            self.real.copy_(real)
            self.imag.copy_(imag)

    def assign_bias(self, bias: Tensor) -> None:
        with torch.no_grad():
            if self.bias_real is not None:
                self.bias_real.copy_(bias[: len(self.bias_real)])
            if self.bias_imag is not None:
                self.bias_imag.copy_(bias[len(self.bias_imag) :])

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dA = delta_r h_r^T + delta_i h_i^T, df/dB = delta_i h_r^T - delta_r h_i^T; biases: delta_r, delta_i."""
        (h,) = inputs
        both = (cotangent, torch.zeros_like(cotangent)) if self.role == "last" else cotangent.chunk(2, dim=-1)
        real, imag = both
        if self.imag is None:
            factors = [factor(h, cotangent=real)]
        else:
            h_real, h_imag = h.chunk(2, dim=-1)
            factors = [
                Factor((Part((h_real,), real), Part((h_imag,), imag))),
                Factor((Part((h_real,), imag), Part((h_imag,), -real))),
            ]
        biases = [(self.bias_real, real), (self.bias_imag, imag)]
        return factors + [factor(cotangent=slope) for bias, slope in biases if bias is not None]
