"""Random Fourier features.  Tancik et al. 2020, arXiv:2006.10739."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig

PICTURES = 10.0
"""The authors' sigma for pictures. Distances in space are learned with a smaller one (record shape-frequencies),
and sounds with one that grows with their samples (record sound-frequencies)."""


@ENCODINGS.register("random_fourier")
@dataclass(frozen=True, kw_only=True)
class RandomFourier(EncodingConfig):
    """e = [sin(2 pi B x), cos(2 pi B x)], B [Q, D] ~ N(0, sigma^2), drawn once and saved with the model."""

    sigma: float | None = param(
        None,
        "standard deviation of the frequencies, in cycles per side of the unit box",
        gt=0,
        usual=PICTURES,
        distances=1.0,
        per_sample=0.0125,
    )
    n_frequencies: int = param(256, "random frequencies Q", ge=1, le=2**24)

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return RandomFourierEncoding(self, d_in, generator)


class RandomFourierEncoding(Encoding):
    smoothness = math.inf
    boundary = "extend"
    frequencies: Tensor  # [Q, D]

    def __init__(self, config: RandomFourier, d_in: int, generator: Generator) -> None:
        super().__init__()
        self.d_out = 2 * config.n_frequencies
        b = torch.randn(config.n_frequencies, d_in, generator=generator)
        self.register_buffer("frequencies", (config.sigma or PICTURES) * b)

    def forward(self, x: Tensor) -> Tensor:
        angle = (2.0 * math.pi) * (x @ self.frequencies.T)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)
