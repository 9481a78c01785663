"""Multi-resolution dense grid: a table entry for every vertex of every level."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

from torch import Generator

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings._encoding import ENCODINGS, Encoding
from inr.encodings._grid import INTERPOLATION_HELP, GridConfig, GridEncoding, interpolation_for, per_axis
from inr.kernels.hash_grid import GridGeometry, Interpolation, grid_geometry

SPACE_SIDE = 64
"""Vertices per axis of the finest level for signals without a sample grid (signed distances)."""

MAX_LOG2_VERTICES = 26


@ENCODINGS.register("dense_grid")
@dataclass(frozen=True, kw_only=True)
class DenseGridConfig(GridConfig):
    """L grids, each `growth` times as fine as the one before, F features per vertex, concatenated: e [*B, L F].

    Level l has n_d = finest_d / growth^(L - 1 - l) vertices on axis d (at least 2), and there is no hashing: the
    parameters are F sum_l prod_d n_d (each level rounded up to a multiple of 8 vertices), 4/3 of the finest level's in
    two dimensions at growth 2. The dense baseline of Mueller et al. 2022, arXiv:2201.05989 (their section 3), on the
    same kernel as their hash grid. Default `finest`: half the samples along every axis; 64 for signed distances.
    """

    levels: int = param(4, "levels L", ge=1, le=32)
    features: int = param(4, "features F per vertex", ge=1, le=8)
    growth: float = param(2.0, "vertices of a level over those of the level before, per axis", ge=1, le=1024)
    finest: tuple[int, ...] | None = param(
        None, "vertices per axis of the finest level (one number: all axes)", ge=2, le=2**30
    )
    interpolation: Interpolation | None = param(None, INTERPOLATION_HELP)
    init_range: float = param(1e-4, "initial entries are uniform in +- this", gt=0)

    def resolve(self, spec: Spec) -> Self:
        finest = self.finest
        if finest is None:
            finest = (SPACE_SIDE,) if spec.shape is None else tuple(max(2, n // 2) for n in spec.shape)
        finest = per_axis("finest", finest, spec.d_in)
        if math.prod(finest) > 2**MAX_LOG2_VERTICES:
            raise ConfigError(
                [f"finest {finest} has {math.prod(finest)} vertices, expected at most 2^{MAX_LOG2_VERTICES}"],
                "use a smaller `field.encoding.finest`, or use `field=hash_grid`",
            )
        return dataclasses.replace(self, finest=finest, interpolation=interpolation_for(self.interpolation, spec))

    def geometry(self) -> GridGeometry:
        assert self.finest is not None
        shrink = self.growth ** (self.levels - 1)
        base = tuple(max(2, round(n / shrink)) for n in self.finest)
        return grid_geometry(len(self.finest), self.levels, MAX_LOG2_VERTICES + 1, base, self.finest)

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return GridEncoding(self.geometry(), self.features, self.interpolation or "linear", self.init_range, generator)
