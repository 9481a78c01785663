"""Multi-resolution hash grid.  Mueller et al. 2022 (Instant-NGP), arXiv:2201.05989."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, Self

from torch import Generator

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings._encoding import ENCODINGS, Encoding
from inr.encodings._grid import INTERPOLATION_HELP, GridConfig, GridEncoding, interpolation_for, per_axis
from inr.kernels.hash_grid import GridGeometry, Interpolation, from_scale, grid_geometry

SPACE_SIDE = 256
"""Vertices per axis of the finest level for signals without a sample grid (signed distances)."""


MOST_FEATURES = 8
"""Of an entry."""


@ENCODINGS.register("hash_grid")
@dataclass(frozen=True, kw_only=True)
class HashGridEncodingConfig(GridConfig):
    """L grids of growing resolution, F features per vertex, interpolated and concatenated: e [*B, L F].

    Levels whose vertices fit in the table are stored densely; finer ones share T = 2^log2_table entries by hashing.
    Resolutions grow geometrically on each axis from `base` to `finest`, and follow the sides of the signal's grid, so
    that cells are square: on a square signal this equals the paper; on others it avoids unused rows.

    Defaults depend on the signal, with n samples per axis. `finest` = n + 1 puts a vertex of the finest level on every
    sample (with the paper's n, vertices and samples drift apart: in the middle of the picture each sample is the mean
    of four vertices, which cannot represent the finest detail). There are 10 levels from `base` = n / 6, because fine
    levels contribute more than coarse ones (sound: 8 from n / 80; signed distances: 13 from n / 12). T is about an
    eighth of the samples. Where T is given and small, `base` is at most T^(1/D) / 2, so that some levels are dense.

    With `growth` the levels are those of tiny-cuda-nn with that `per_level_scale`, starting at `base`, equal on every
    axis. Instant-NGP's rule ends at half the longest side of a lattice, and at 2048 for signed distances.
    """

    levels: int | None = param(None, "levels L", ge=1, le=32)
    features: int = param(2, "features F per entry", ge=1, le=MOST_FEATURES)
    log2_table: int | None = param(None, "log2 of the table entries T of a hashed level", ge=4, le=30)
    base: int | None = param(None, "vertices along the longest axis of the coarsest level", ge=2, le=2**26)
    finest: tuple[int, ...] | None = param(
        None, "vertices per axis of the finest level (one number: all axes)", ge=2, le=2**30
    )
    growth: float | Literal["instant_ngp"] | None = param(
        None,
        "ratio of vertices to the level before, on all axes, instead of finest; instant_ngp: its rule",
        ge=1,
    )
    interpolation: Interpolation | None = param(None, INTERPOLATION_HELP)
    is_inset: bool = param(
        False,
        "levels end half a cell before their last vertices, so that opposite borders share none (not with growth)",
    )
    init_range: float = param(1e-4, "initial entries are uniform in +- this", gt=0)

    def resolve(self, spec: Spec) -> Self:
        if self.is_inset and self.growth is not None:
            raise ConfigError(
                ["is_inset and growth are both given, expected one of them: growth is tiny-cuda-nn's grid"]
            )
        finest = self.finest
        if finest is None:
            finest = (SPACE_SIDE,) * spec.d_in if spec.shape is None else tuple(n + 1 for n in spec.shape)
        finest = per_axis("finest", finest, spec.d_in)
        levels, span = (13, 12) if spec.shape is None else (8, 80) if spec.d_in == 1 else (10, 6)
        n_samples = math.prod(spec.shape) if spec.shape is not None else 2**19
        log2_table = self.log2_table or min(22, max(10, math.ceil(math.log2(n_samples / 8))))
        base = max(2, round(max(finest) / span))
        if self.log2_table is not None:
            base = max(2, min(base, round(2 ** (log2_table / spec.d_in) / 2)))
        resolved = dataclasses.replace(
            self,
            levels=self.levels or levels,
            log2_table=log2_table,
            base=self.base or base,
            finest=finest,
            interpolation=interpolation_for(self.interpolation, spec),
        )
        return resolved if self.growth is None else resolved._with_growth(spec)

    def _with_growth(self, spec: Spec) -> Self:
        """These settings with `growth` as a number and the `finest` that follows from it."""
        assert self.levels is not None
        assert self.base is not None
        growth = self.growth
        if growth == "instant_ngp":
            finest = 2048.0 if spec.shape is None else max(spec.shape) / 2
            growth = max(1.0, (finest / self.base) ** (1 / max(1, self.levels - 1)))
        grown = dataclasses.replace(self, growth=growth)
        return dataclasses.replace(grown, finest=grown.geometry().resolution[-1])

    def geometry(self) -> GridGeometry:
        assert self.levels is not None
        assert self.finest is not None
        assert self.base is not None
        assert self.log2_table is not None
        if isinstance(self.growth, float):
            return from_scale(len(self.finest), self.levels, self.log2_table, self.base, self.growth)
        base = tuple(max(2, min(n, round(self.base * n / max(self.finest)))) for n in self.finest)
        return grid_geometry(len(self.finest), self.levels, self.log2_table, base, self.finest, 0.5 * self.is_inset)

    def build(self, d_in: int, generator: Generator) -> Encoding:
        interpolation = self.interpolation or "linear"
        return GridEncoding(self.geometry(), self.features, interpolation, self.init_range, generator)
