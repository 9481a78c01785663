"""Two encodings side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.gradient_factors import Factor, HasGradientFactors, factor
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig

START = 1e-4
"""Range of a shift's initial entries: that of NeuRBF's other features."""


@ENCODINGS.register("concat")
@dataclass(frozen=True, kw_only=True)
class Concat(EncodingConfig):
    """e = [first(x), second(x)] + shift. Either may itself be a concatenation. The shift starts at U(+-1e-4).

    If the two behave differently outside the unit box, x is clamped to it.
    """

    first: EncodingConfig | None = param(None, "first encoding; none: identity")
    second: EncodingConfig | None = param(None, "second encoding; none: frequency")
    has_shift: bool = param(False, "add a trained vector (NeuRBF)")

    def resolve(self, spec: Spec) -> Self:
        first, second = self.first or ENCODINGS["identity"](), self.second or ENCODINGS["frequency"]()
        return dataclasses.replace(self, first=first.resolve(spec), second=second.resolve(spec))

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return ConcatEncoding(self, d_in, generator)


class ConcatEncoding(Encoding, HasGradientFactors):
    def __init__(self, config: Concat, d_in: int, generator: Generator) -> None:
        super().__init__()
        assert config.first is not None
        assert config.second is not None
        self.first = config.first.build(d_in, generator)
        self.second = config.second.build(d_in, generator)
        self.d_out = self.first.d_out + self.second.d_out
        self.smoothness = min(self.first.smoothness, self.second.smoothness)
        self.boundary = self.first.boundary if self.first.boundary == self.second.boundary else "clamp"
        self.pad_value = self.second.pad_value
        self.shift = None
        if config.has_shift:
            self.shift = nn.Parameter(torch.empty(self.d_out).uniform_(-START, START, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        x = self._inside(x)
        e = torch.cat([self.first(x), self.second(x)], dim=-1)
        return e if self.shift is None else e + self.shift

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        return [factor(cotangent=cotangent)]

    def weighted(self, x: Tensor, weights: Tensor) -> Tensor:
        x = self._inside(x)
        n = self.first.d_out
        total = self.first.weighted(x, weights[:n]) + self.second.weighted(x, weights[n:])
        return total if self.shift is None else total + self.shift @ weights

    def _inside(self, x: Tensor) -> Tensor:
        return x.clamp(0, 1) if self.boundary == "clamp" else x
