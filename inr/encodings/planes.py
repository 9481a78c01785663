"""Features on axis-aligned planes.  Chan et al. 2022 (EG3D), arXiv:2112.07945; Cardace et al., arXiv:2310.01140."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Literal, Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings._grid import INTERPOLATION_HELP, interpolation_for, per_axis, smoothness_of
from inr.kernels.hash_grid import Interpolation
from inr.kernels.multilinear import corners, multilinear

SPACE_SIDE = 32
"""Vertices per axis for signals without a sample grid (TPP)."""

Edge = Literal["vertex", "zero"]


@ENCODINGS.register("planes")
@dataclass(frozen=True, kw_only=True)
class Planes(EncodingConfig):
    """e = sum over axis pairs i < j of P_ij(x_i, x_j), each P_ij a table [n_i, n_j, F] interpolated bilinearly.

    In three dimensions the tri-plane XY, XZ, YZ (in EG3D's code the third plane is the second one transposed and
    never uses y-z); six planes in four dimensions, one in two, and a line in one. EG3D uses the mean, TPP the sum: they
    differ by a factor in the learning rate. Entries start at N(0, std^2), for `product` at 1 + N(0, std^2). `beside` is
    evaluated at coordinates clamped to the box, like the planes, and concatenated.

    With edge = vertex, vertices lie at both ends of every axis. With edge = zero they are the centres of equal cells,
    and the features fall to 0 over the cell beyond the outermost, as in the authors' code (torch's `grid_sample`).

    Default `resolution`: 32 for signed distances (TPP); on lattices half the samples along every axis, a quarter in one
    and two dimensions.
    """

    resolution: tuple[int, ...] | None = param(None, "vertices per axis (one number: all axes)", ge=2, le=2**24)
    features: int = param(16, "features F", ge=1, le=65536)
    combine: Literal["sum", "mean", "product"] = param("sum", "how the planes' features combine")
    edge: Edge = param("vertex", "at the ends of an axis: a vertex, or half a cell that falls to zero", absent="vertex")
    beside: EncodingConfig | None = param(None, "another encoding of the coordinates, concatenated")
    interpolation: Interpolation | None = param(None, INTERPOLATION_HELP)
    std: float = param(1e-3, "standard deviation of the initial entries", gt=0)

    def resolve(self, spec: Spec) -> Self:
        config = super().resolve(spec)
        resolution = config.resolution
        if resolution is None:
            share = 4 if spec.d_in <= 2 else 2
            resolution = (SPACE_SIDE,) if spec.shape is None else tuple(max(2, n // share) for n in spec.shape)
        return dataclasses.replace(
            config,
            resolution=per_axis("resolution", resolution, spec.d_in),
            interpolation=interpolation_for(config.interpolation, spec),
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return PlanesEncoding(self, d_in, generator)


class PlanesEncoding(Encoding, HasGradientFactors):
    boundary = "clamp"
    pad_value = 0.0

    def __init__(self, config: Planes, d_in: int, generator: Generator) -> None:
        super().__init__()
        assert config.resolution is not None
        self.combine, self.edge = config.combine, config.edge
        self.interpolation: Interpolation = config.interpolation or "linear"
        self.axes = tuple(combinations(range(d_in), 2)) or ((0,),)
        start = 1.0 if config.combine == "product" else 0.0
        for axes in self.axes:
            sides = (config.resolution[d] for d in axes)
            table = torch.randn(*sides, config.features, generator=generator) * config.std + start
            self.register_parameter(plane_name(axes), nn.Parameter(table))
        self.beside = None if config.beside is None else config.beside.build(d_in, generator)
        self.d_out = config.features
        self.smoothness = smoothness_of(self.interpolation)
        if self.beside is not None:
            self.d_out += self.beside.d_out
            self.smoothness = min(self.smoothness, self.beside.smoothness)

    def table(self, axes: tuple[int, ...]) -> Tensor:
        """The plane of two axes, as `multilinear` reads it: with a border of zeros if its edges are zero."""
        table: Tensor = getattr(self, plane_name(axes))
        return table if self.edge == "vertex" else functional.pad(table, (0, 0, *[1, 1] * len(axes)))

    def _place(self, x: Tensor, axes: tuple[int, ...], table: Tensor) -> Tensor:
        """Coordinates in a table of the plane of two axes. Vertex i + 1 of n + 2 is at (i + 1/2) / n."""
        inner = x[..., list(axes)]
        if self.edge == "vertex":
            return inner
        n = x.new_tensor(table.shape[:-1]) - 2
        return (inner * n + 0.5) / (n + 1)

    def _each(self, x: Tensor) -> list[Tensor]:
        tables = [(axes, self.table(axes)) for axes in self.axes]
        return [multilinear(self._place(x, axes, table), table, self.interpolation) for axes, table in tables]

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Per plane: the corners' interpolation weights times the cotangent (and, in a product, the other features)."""
        x = inputs[0].clamp(0, 1)
        each = self._each(x)
        slope = cotangent[..., : each[0].shape[-1]]
        if self.combine == "mean":
            slope = slope / len(each)
        factors = []
        for i, axes in enumerate(self.axes):
            table = self.table(axes)
            indices, weights = corners(self._place(x, axes, table), table.shape[:-1], self.interpolation)
            if self.edge == "zero":  # the border is no parameter
                ones = torch.ones_like(getattr(self, plane_name(axes))[..., :1])
                weights = weights * functional.pad(ones, (0, 0, *[1, 1] * len(axes))).flatten()[indices]
            sparse = SparseRows(indices, weights, table.shape[:-1].numel())
            others = each[:i] + each[i + 1 :] if self.combine == "product" else []
            factors.append(factor(sparse, cotangent=reduce(torch.mul, others, slope)))
        return factors

    def forward(self, x: Tensor) -> Tensor:
        x = x.clamp(0, 1)
        each = torch.stack(self._each(x))
        features: Tensor = getattr(torch, {"product": "prod"}.get(self.combine, self.combine))(each, 0)
        return features if self.beside is None else torch.cat([features, self.beside(x)], -1)


def plane_name(axes: tuple[int, ...]) -> str:
    return "plane_" + "".join(map(str, axes))
