"""Coordinates, scaled to a given range."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig


@ENCODINGS.register("identity")
@dataclass(frozen=True, kw_only=True)
class Identity(EncodingConfig):
    """e = low + (high - low) x, for every axis."""

    low: float | None = param(None, "feature value at coordinate 0; none: -1; the sines of sound have wider ranges")
    high: float | None = param(None, "feature value at coordinate 1; none: 1")

    def resolve(self, spec: Spec) -> Self:
        low, high = self.range
        return dataclasses.replace(self, low=low, high=high)

    @property
    def range(self) -> tuple[float, float]:
        """(low, high) or, for none, -1 and 1."""
        return -1.0 if self.low is None else self.low, 1.0 if self.high is None else self.high

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return IdentityEncoding(self, d_in)


class IdentityEncoding(Encoding):
    smoothness = math.inf
    boundary = "extend"

    def __init__(self, config: Identity, d_in: int) -> None:
        super().__init__()
        self.low, self.high = config.range
        self.d_out = d_in
        self.lipschitz = abs(self.high - self.low)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.high - self.low) + self.low
