"""Shared parts of encodings with features on grids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.encodings._encoding import Encoding
from inr.kernels.hash_grid import GridGeometry, Interpolation, corners, hash_grid

INTERPOLATION_HELP = "none: smoothstep if the loss uses derivatives (point clouds), else linear"


def interpolation_for(given: Interpolation | None, spec: Spec) -> Interpolation:
    return given or ("smoothstep" if spec.traits.is_surface_only else "linear")


def smoothness_of(interpolation: Interpolation) -> float:
    return 2.0 if interpolation == "smoothstep" else 0.0


def per_axis(name: str, given: tuple[int, ...], d_in: int) -> tuple[int, ...]:
    """One number per axis, given either one per axis or one for all axes. Raises ConfigError for any other count."""
    values = given * d_in if len(given) == 1 else given
    if len(values) != d_in:
        raise ConfigError([f"{name} has {len(values)} numbers, expected one per axis ({d_in})"])
    return values


class GridEncoding(Encoding, HasGradientFactors):
    """Features [*B, L F] on L grid levels, from one table initialised uniformly in +-init_range."""

    boundary = "clamp"
    pad_value = 0.0

    def __init__(
        self,
        geometry: GridGeometry,
        features: int,
        interpolation: Interpolation,
        init_range: float,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.geometry, self.interpolation = geometry, interpolation
        self.smoothness = smoothness_of(interpolation)
        self.d_out = geometry.n_levels * features
        table = torch.empty(geometry.total_entries, features)
        self.table = nn.Parameter(table.uniform_(-init_range, init_range, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        features = hash_grid(x.reshape(-1, x.shape[-1]), self.table, self.geometry, self.interpolation)
        return features.reshape(*x.shape[:-1], self.d_out)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Per level: the interpolation weights of the corners times the cotangent of the level's features."""
        indices, weights = corners(inputs[0], self.geometry, self.interpolation)
        size = self.geometry.total_entries
        return [
            factor(SparseRows(indices[:, level], weights[:, level], size), cotangent=slope)
            for level, slope in enumerate(cotangent.chunk(self.geometry.n_levels, dim=-1))
        ]
