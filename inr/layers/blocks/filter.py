"""Multiplicative filters.  Fathony et al. 2021 (MFN, ICLR)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec, single_branch
from inr.layers.blocks._windows import window_map, windows

INPUT_SCALE = 256.0
"""The paper's. Distances have the number of record shape-frequencies, sound that of record sound-frequencies."""


@BLOCKS.register("filter")
@dataclass(frozen=True, kw_only=True)
class FilterConfig(BlockConfig):
    """h' = g(e) * sigma(W h + b), the first h' = g(e), with a separate filter g in every block.

    Fourier: g(e) = sin(Omega e + phi). Gabor: g(e) = sin(Omega e + phi) exp(-gamma |e - mu|^2 / 2), where gamma and mu
    are per unit. sigma is the identity in the paper: the network is then a sum of sines (or of Gabor functions).

    Initialisation for N blocks of width H: Omega ~ U(+-1/sqrt(d_e)) input_scale / sqrt(N), phi ~ U(+-pi),
    W ~ U(+-sqrt(weight_scale / H)), b as in torch. Gabor: mu ~ U(-1, 1), gamma ~ Gamma(alpha / N, rate beta), and each
    row of Omega is scaled by sqrt(gamma). All are trained.
    """

    form: Literal["fourier", "gabor"] = param("fourier", "plane waves, or Gaussian-windowed ones")
    input_scale: float | None = param(
        None, "scale of the frequencies", gt=0, usual=INPUT_SCALE, distances=32.0, per_sample=0.34
    )
    weight_scale: float = param(1.0, "scale of the linear maps' initial weights", gt=0)
    alpha: float = param(6.0, "Gabor: shape of gamma's distribution, summed over the blocks", gt=0)
    beta: float = param(1.0, "Gabor: rate of gamma's distribution", gt=0)

    def build(self, spec: BlockSpec) -> Block:
        return FilterBlock(self, spec)


class Filter(nn.Module, HasGradientFactors):
    """e [*B, d_e] -> g(e) [*B, H]: plane waves, with Gaussian windows if the shape of gamma's distribution is given."""

    role = "filter"

    def __init__(
        self, d_e: int, width: int, scale: float, gamma: tuple[float, float] | None, generator: Generator
    ) -> None:
        super().__init__()
        bound = scale * d_e**-0.5
        omega = torch.empty(width, d_e).uniform_(-bound, bound, generator=generator)
        phase = torch.empty(width).uniform_(-math.pi, math.pi, generator=generator)
        self.centre: nn.Parameter | None = None
        self.sharpness: nn.Parameter | None = None
        if gamma is not None:
            alpha, beta = gamma
            drawn = torch._standard_gamma(torch.full((width,), alpha), generator=generator) / beta
            omega *= drawn.sqrt().unsqueeze(-1)
            self.centre = nn.Parameter(torch.empty(width, d_e).uniform_(-1, 1, generator=generator))
            self.sharpness = nn.Parameter(drawn)
        self.omega, self.phase = nn.Parameter(omega), nn.Parameter(phase)

    def forward(self, e: Tensor) -> Tensor:
        wave: Tensor = torch.sin(nn.functional.linear(e, self.omega, self.phase))
        if self.centre is None or self.sharpness is None:
            return wave
        return wave * windows(e, self.centre, self.sharpness)

    def window_map(self) -> tuple[Tensor, Tensor] | None:
        """Matrix [H, d_e + 1] and bias [H] of the windows' exponents in [e, |e|^2]; None without windows."""
        if self.centre is None or self.sharpness is None:
            return None
        return window_map(self.centre, self.sharpness)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Omega and phi: as in a linear layer; mu: delta g gamma (e - mu); gamma: -delta g |e - mu|^2 / 2."""
        (e,) = inputs
        angle = nn.functional.linear(e, self.omega, self.phase)
        if self.centre is None or self.sharpness is None:
            return [factor(with_ones(e, True), cotangent=cotangent * angle.cos())]
        square = _squares(e, self.centre)
        window = torch.exp(-0.5 * self.sharpness * square)
        through = cotangent * angle.sin() * window  # [C, n, H]
        offset = e.unsqueeze(-2) - self.centre  # [n, H, d_e]
        return [
            factor(with_ones(e, True), cotangent=cotangent * angle.cos() * window),
            factor(cotangent=((through * self.sharpness).unsqueeze(-1) * offset).flatten(-2)),
            factor(cotangent=-0.5 * through * square),
        ]


def _squares(e: Tensor, centre: Tensor) -> Tensor:
    """|e - mu|^2, [*B, H]."""
    squares: Tensor = e.square().sum(-1, keepdim=True) + centre.square().sum(-1) - 2 * e @ centre.T
    return squares


class FilterBlock(Block):
    def __init__(self, config: FilterConfig, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = single_branch(spec, "filter")
        gamma = (config.alpha / spec.depth, config.beta) if config.form == "gabor" else None
        scale = (config.input_scale or INPUT_SCALE) / math.sqrt(spec.depth)
        self.filter = Filter(spec.d_e, spec.width, scale, gamma, spec.generator)
        self.linear = None if spec.role == "first" else spec.make_linear(spec.d_h, spec.width)
        if self.linear is not None:
            bound = math.sqrt(config.weight_scale / spec.d_h)
            weight = torch.empty(spec.width, spec.d_h).uniform_(-bound, bound, generator=spec.generator)
            self.linear.assign(weight)
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        g: Tensor = self.filter(e)
        return g if self.linear is None else g * self.activation(self.linear(h))
