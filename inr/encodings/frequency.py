"""Octave sines and cosines of every coordinate.  Mildenhall et al. 2020 (NeRF), arXiv:2003.08934."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig

MAX_OCTAVES = 24


@ENCODINGS.register("frequency")
@dataclass(frozen=True, kw_only=True)
class Frequency(EncodingConfig):
    """e = [u, sin(b^k w u_d), cos(b^k w u_d)] for k < K and every axis d, with u = 2 x - 1, base b = 2 and w = pi.

    Default K, from the Nyquist rule: floor(log_b(n / 4)) for the shortest side n of a grid (Sitzmann et al. 2020);
    without a grid, as many frequencies as reach 10 octaves, for distances 6 as in IDR (Yariv et al. 2020,
    arXiv:2003.09852), because more are learned worse (record shape-frequencies). Struempler et al. 2022
    (arXiv:2112.04267) use b = 1.4. Some codes have w = 1, as FINER's and TPP's.
    """

    octaves: int | None = param(None, "frequencies K; none: the Nyquist rule", ge=1, le=MAX_OCTAVES, distances=6)
    has_raw: bool = param(True, "also pass the raw coordinates")
    base: float = param(2.0, "factor b from one frequency to the next", gt=1, le=4)
    lowest: float = param(math.pi, "angular frequency w of the first octave", gt=0, le=1e4, absent=math.pi)

    def resolve(self, spec: Spec) -> Self:
        if self.octaves is not None:
            return self
        octaves = math.log2(max(8, min(spec.shape)) / 4) if spec.shape else super().resolve(spec).octaves or 10
        return dataclasses.replace(self, octaves=min(MAX_OCTAVES, max(1, int(octaves / math.log2(self.base)))))

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return FrequencyEncoding(self, d_in)


class FrequencyEncoding(Encoding):
    smoothness = math.inf
    boundary = "extend"
    factor: Tensor  # [K]

    def __init__(self, config: Frequency, d_in: int) -> None:
        super().__init__()
        n = config.octaves or 10
        self.has_raw = config.has_raw
        self.d_out = d_in * 2 * n + (d_in if config.has_raw else 0)
        self.lipschitz = 2 * math.sqrt(config.has_raw + sum((config.lowest * config.base**k) ** 2 for k in range(n)))
        self.register_buffer("factor", config.lowest * config.base ** torch.arange(n), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        u = 2.0 * x - 1.0
        angle = (u.unsqueeze(-1) * self.factor.to(x.dtype)).flatten(-2)  # [*B, D K]
        parts = [u] if self.has_raw else []
        return torch.cat([*parts, angle.sin(), angle.cos()], dim=-1)
