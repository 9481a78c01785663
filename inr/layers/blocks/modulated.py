"""Block with coordinate-aware modulation.  Lee et al. 2024 (CAM), arXiv:2311.14993."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.kernels.hash_grid import Interpolation
from inr.kernels.multilinear import corners, multilinear
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec

EPS = 1e-5


@BLOCKS.register("modulated")
@dataclass(frozen=True, kw_only=True)
class Modulated(BlockConfig):
    """h' = sigma(gamma(x) norm(W h + b) + beta(x)), gamma and beta scalars read from the block's own small grid.

    norm is layer normalisation without parameters: features of a point get mean 0 and variance 1 (eps 1e-5). Switch it
    off for activations tuned to a variance, such as SIREN's sine. The grid [n, ..., n, 2] has its outermost vertices on
    the sides of the box and starts at gamma = 1, beta = 0; beyond the box it is clamped.

    Grids use the learning rate of encodings (`fit.lr_encoding`; in the paper 10 times the network's).
    """

    vertices: int | None = param(
        None, "grid vertices per axis; none: 64 for one axis, 32 for two and three, 16 for more", ge=2, le=65536
    )
    has_norm: bool = param(True, "normalise each point's features before modulation")
    interpolation: Interpolation | None = param(
        None, "none: smoothstep if the loss uses derivatives (point clouds), else linear"
    )

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(
            self,
            vertices=self.vertices or {1: 64, 2: 32, 3: 32}.get(spec.d_in, 16),
            interpolation=self.interpolation or ("smoothstep" if spec.traits.is_surface_only else "linear"),
        )

    def build(self, spec: BlockSpec) -> Block:
        return ModulatedBlock(self, spec)


class ModulatedBlock(Block):
    def __init__(self, config: Modulated, spec: BlockSpec) -> None:
        super().__init__()
        assert config.vertices is not None
        self.activation = spec.activation.build(spec.role, spec.width)
        self.linear = spec.make_linear(spec.d_h, self.activation.arity * spec.width)
        self.modulation = Modulation((config.vertices,) * spec.d_x, config.interpolation or "linear")
        self.has_norm = config.has_norm
        self.d_out = spec.width
        self.smoothness = min(self.activation.smoothness, self.modulation.smoothness)

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        a = self.linear(h)
        if self.has_norm:  # each branch is normalised separately
            branches = a.reshape(*a.shape[:-1], self.activation.arity, self.d_out)
            a = functional.layer_norm(branches, (self.d_out,), eps=EPS).flatten(-2)
        gamma, beta = self.modulation(x).split(1, -1)
        return self.activation(gamma * a + beta)


class Modulation(nn.Module, HasGradientFactors):
    """x [*B, D] -> gamma and beta [*B, 2]. role: selects the learning rate of encodings."""

    role = "encoding"

    def __init__(self, sides: tuple[int, ...], interpolation: Interpolation) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.smoothness = 2.0 if interpolation == "smoothstep" else 0.0
        self.grid = nn.Parameter(torch.tensor([1.0, 0.0]).expand(*sides, 2).clone())

    def forward(self, x: Tensor) -> Tensor:
        return multilinear(x, self.grid, self.interpolation)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        sides = self.grid.shape[:-1]
        return [factor(SparseRows(*corners(inputs[0], sides, self.interpolation), sides.numel()), cotangent=cotangent)]
