"""Shared parts of encodings with features on grids."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.encodings._encoding import Encoding, EncodingConfig
from inr.encodings._started_level import started_level
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


class GridConfig(EncodingConfig):
    """Settings of an encoding with F `features` on the vertices of grids."""

    features: int

    @abstractmethod
    def geometry(self) -> GridGeometry:
        """The levels of these resolved settings."""

    def starts_from(self, spec: Spec) -> bool:
        """Whether the tables start from the signal, where that pays.

        Of signed distances, a dense level starts from their values at its vertices (`start_from_vertices`); distances
        without a sign, whose kink at 0 such a level smooths, ended with holes where that was tried. Samples of a
        lattice start the tables with a vertex of the finest level on every sample, and with one
        level that has as many features as values, which can hold little more than the least-squares fit. Other coarse
        grids learn better from random entries.
        """
        if spec.has_signed_distances:
            return self.features >= spec.d_out and started_level(self.geometry()) is not None
        if spec.shape is None:
            return False
        return self.geometry().has_vertex_per_sample(spec.shape) or self.is_solved_by(spec)

    def is_solved_by(self, spec: Spec) -> bool:
        """Whether steps cannot improve that start much: it is exact, or the least-squares fit of the only level."""
        if spec.shape is None or self.features < spec.d_out:
            return False
        geometry = self.geometry()
        is_only = geometry.n_levels == 1 and geometry.is_no_finer(spec.shape)
        return is_only or geometry.has_vertex_per_sample(spec.shape)


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
