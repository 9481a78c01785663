"""Features that a linear map per level makes of latents on grids.  Girish et al. 2023 (SHACIRA), arXiv:2309.15848."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param, parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import GridConfig, GridEncoding

START = 0.1
"""Of latents, and the standard deviation of the maps: the authors'."""


@ENCODINGS.register("latent_grid")
@dataclass(frozen=True, kw_only=True)
class LatentGrid(EncodingConfig):
    """e = [e_1 ... e_L] with e_l = (z_l / d) A_l + s_l: latents z_l of level l of a grid, decoded by a map per level.

    z_l [*B, K] is interpolated first, which gives the same as a table of decoded features. A_l [K, F] starts at
    N(0, 0.1^2), s_l [F] at 0, latents at U(+-0.1). Profile `grids` of `inr compress` trains the latents to be whole
    numbers; a fit does not round them.

    The paper's code has one map for all levels by default, and one per level as an option; here there is one per level.
    There, d is the largest latent after the tenth step, about 0.3, and stays; here it is a setting.
    """

    grid: EncodingConfig | None = param(None, "where the latents are; none: hash_grid with one latent per vertex")
    features: int = param(1, "features F per level", ge=1, le=64)
    divisor: float = param(0.3, "d, by which latents are divided", gt=0, le=1e6)

    def resolve(self, spec: Spec) -> Self:
        grid = (
            parse(EncodingConfig, {"type": "hash_grid", "features": 1, "init_range": START}, "grid")
            if self.grid is None
            else self.grid
        )
        if not isinstance(grid, GridConfig):
            raise ConfigError([f"grid is {grid.type_name!r}, expected hash_grid or dense_grid"])
        return dataclasses.replace(self, grid=grid.resolve(spec))

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return LatentGridEncoding(self, d_in, generator)


class LatentGridEncoding(Encoding):
    boundary = "clamp"
    pad_value = 0.0

    def __init__(self, config: LatentGrid, d_in: int, generator: Generator) -> None:
        super().__init__()
        assert config.grid is not None
        grid = config.grid.build(d_in, generator)
        assert isinstance(grid, GridEncoding)
        self.grid = grid
        self.maps = LevelMaps(grid.geometry.n_levels, grid.table.shape[1], config.features, config.divisor, generator)
        self.smoothness, self.d_out = grid.smoothness, grid.geometry.n_levels * config.features

    def forward(self, x: Tensor) -> Tensor:
        e: Tensor = self.maps(self.grid(x))
        return e


class LevelMaps(nn.Module, HasGradientFactors):
    """z [*B, L K] -> (z_l / d) A_l + s_l of every level, [*B, L F]. weight: A [L, K, F]; shift: s [L, F]."""

    role = "encoding"

    def __init__(self, levels: int, latents: int, features: int, divisor: float, generator: Generator) -> None:
        super().__init__()
        self.divisor = divisor
        self.weight = nn.Parameter(torch.empty(levels, latents, features).normal_(0, START, generator=generator))
        self.shift = nn.Parameter(torch.zeros(levels, features))

    def forward(self, z: Tensor) -> Tensor:
        levels, latents, _ = self.weight.shape
        by_level = (z / self.divisor).reshape(*z.shape[:-1], levels, 1, latents)
        e: Tensor = ((by_level @ self.weight).squeeze(-2) + self.shift).flatten(-2)
        return e

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """de/dA_l = z_l / d, and de/ds_l = 1, times the cotangent of the level's features."""
        levels = len(self.shift)
        parts = zip((inputs[0] / self.divisor).chunk(levels, -1), cotangent.chunk(levels, -1), strict=True)
        return [factor(with_ones(z, True), cotangent=slope) for z, slope in parts]

    def as_matrix(self) -> tuple[Tensor, Tensor]:
        """The map as one matrix [L F, L K] with a shift [L F]."""
        levels, latents, features = self.weight.shape
        whole = self.weight.new_zeros(levels, features, levels, latents)
        every = torch.arange(levels)
        whole[every, :, every] = (self.weight / self.divisor).mT
        return whole.reshape(levels * features, levels * latents), self.shift.flatten()
