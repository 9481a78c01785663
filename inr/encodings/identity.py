"""Coordinates, scaled to a given range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Generator, Tensor

from inr.core.config import param
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig


@ENCODINGS.register("identity")
@dataclass(frozen=True, kw_only=True)
class Identity(EncodingConfig):
    """e = low + (high - low) x, for every axis."""

    low: float = param(-1.0, "feature value at coordinate 0")
    high: float = param(1.0, "feature value at coordinate 1")

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return IdentityEncoding(self, d_in)


class IdentityEncoding(Encoding):
    smoothness = math.inf
    boundary = "extend"

    def __init__(self, config: Identity, d_in: int) -> None:
        super().__init__()
        self.config = config
        self.d_out = d_in
        self.lipschitz = abs(config.high - config.low)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.config.high - self.config.low) + self.config.low
