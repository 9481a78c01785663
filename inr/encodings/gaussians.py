"""Trained anisotropic Gaussians, summed.  Zhang et al. 2024 (GaussianImage), arXiv:2403.08551."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.kernels.splat import splat

SAMPLES_PER_GAUSSIAN = 8
SPACE_SIDE = 64
SAMPLES_PER_UNIT_OF_SOUND = 4
"""Sizes of Gaussians are counted in as many samples of sound, and there is one Gaussian for each unit."""
REACH = round(math.sqrt(2 * math.log(255)), 6)
"""Where a Gaussian of height 1 falls below 1/255."""


@ENCODINGS.register("gaussians")
@dataclass(frozen=True, kw_only=True)
class Gaussians(EncodingConfig):
    """e = background + sum_i v_i exp(-|L_i^-1 (p - c_i)|^2 / 2), over the Gaussians within `reach`: e [*B, F].

    p = shape * x is in samples, c_i = shape * (tanh(u_i) + 1) / 2, and L_i is lower triangular with
    L_dd = |l_dd| + 1/2, so that no Gaussian is narrower than half a sample (the authors add 1/2 without the absolute
    value). All Gaussians are added, without order or opacity. u, l, and v are trained. Initially c is uniform in
    the box, l ~ U(0, s) with s = (samples / M)^(1/D) / sqrt(8), which equals the paper's 1 at its density on pictures,
    and v ~ U(0, 2) on pictures with a background of -1 (black); v ~ U(-1, 1) with background 0 otherwise.

    Gaussians are truncated at `reach`, so e has jumps of size exp(-reach^2 / 2) there. By default that is 1/255, as in
    the authors' code.
    """

    n_gaussians: int | None = param(
        None,
        "Gaussians M; none: one per 8 samples (the paper's density), sound: per 4, distances: 2^14",
        ge=1,
        le=2**30,
    )
    features: int | None = param(None, "features F; none: one per channel", ge=1, le=65536)
    reach: float = param(REACH, "truncation radius in standard deviations", gt=0, le=10)
    background: float | None = param(None, "value without Gaussians; none: -1 for pictures, else 0")
    shape: tuple[int, ...] | None = param(
        None, "samples per axis; none: the signal's, sound: a quarter, distances: 64", ge=1, le=2**30
    )

    def resolve(self, spec: Spec) -> Self:
        shape = self.shape or spec.shape or (SPACE_SIDE,) * spec.d_in
        if len(shape) != spec.d_in:
            raise ConfigError([f"shape has {len(shape)} numbers, expected one per axis ({spec.d_in})"])
        n_default = 2**14 if spec.shape is None else max(8, math.prod(spec.shape) // SAMPLES_PER_GAUSSIAN)
        if spec.traits.is_waveform and spec.shape is not None:
            n_default = max(8, spec.shape[0] // SAMPLES_PER_UNIT_OF_SOUND)
            shape = self.shape or (max(1, spec.shape[0] // SAMPLES_PER_UNIT_OF_SOUND),)
        background = self.background
        if background is None:
            background = -1.0 if spec.traits.is_picture else 0.0
        return dataclasses.replace(
            self,
            n_gaussians=self.n_gaussians or n_default,
            features=self.features or spec.d_out,
            background=background,
            shape=shape,
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return GaussiansEncoding(self, generator)


class GaussiansEncoding(Encoding):
    smoothness = 0.0
    boundary = "extend"
    pad_value = 0.0

    def __init__(self, config: Gaussians, generator: Generator) -> None:
        super().__init__()
        assert config.n_gaussians is not None
        assert config.features is not None
        assert config.background is not None
        assert config.shape is not None
        self.size = tuple(float(n) for n in config.shape)
        self.reach, self.background, self.d_out = config.reach, config.background, config.features
        n, d = config.n_gaussians, len(self.size)
        uniform = torch.empty(n, d).uniform_(-1 + 1e-6, 1 - 1e-6, generator=generator)
        self.position = nn.Parameter(torch.atanh(uniform))  # u
        widest = (math.prod(self.size) / n) ** (1 / d) / math.sqrt(SAMPLES_PER_GAUSSIAN)
        factor = torch.empty(n, d * (d + 1) // 2).uniform_(0, widest, generator=generator)
        self.factor = nn.Parameter(factor)  # l, row by row
        low, high = -1 - config.background, 1 - config.background
        self.values = _Values(torch.empty(n, self.d_out).uniform_(low, high, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        size = x.new_tensor(self.size)
        centres = size * (torch.tanh(self.position) + 1) / 2
        flat = x.reshape(-1, x.shape[-1]) * size
        e = splat(flat, centres, self.factors(), self.values.weight, self.size, self.reach) + self.background
        return e.reshape(*x.shape[:-1], self.d_out)

    def factors(self) -> Tensor:
        """L [M, D, D]."""
        d, rows, at = len(self.size), [], 0
        for row in range(d):
            inner, own = self.factor[:, at : at + row], self.factor[:, at + row : at + row + 1]
            rows.append(
                torch.cat([inner, own.abs() + 0.5, self.factor.new_zeros(1, 1).expand(len(own), d - row - 1)], -1)
            )
            at += row + 1
        return torch.stack(rows, dim=-2)


class _Values(nn.Module):
    """v [M, F]. The sum is linear in v, so v can take larger steps than positions and shapes."""

    role = "last"

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
