"""Cell with coordinate-aware modulation.  Lee et al. 2024 (CAM), arXiv:2311.14993."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from inr._config import param
from inr._domain import Spec
from inr._tangent import Factor, SparseRows, Structured, factor
from inr.kernels.hash_grid import Interpolation
from inr.kernels.multilinear import corners, multilinear
from inr.layers._cell import CELLS, Cell, CellConfig, Kit

EPS = 1e-5


@CELLS.register("modulated")
@dataclass(frozen=True, kw_only=True)
class Modulated(CellConfig):
    """h' = sigma(gamma(x) norm(W h + b) + beta(x)), gamma and beta scalars from a small grid of the cell's own.

    norm takes each point's features to mean 0 and variance 1 (a / sqrt(var + 1e-5); layer normalisation without
    parameters); activations that are tuned to a variance, SIREN's sine, want it off. The grid [n, ..., n, 2] has its
    outermost vertices on the sides of the box and holds gamma = 1, beta = 0 at the start; beyond the box it is clamped.

    Grids learn at the rate of encodings (`fit.lr_encoding`, in the paper 10 times the network's).
    """

    vertices: int | None = param(
        None, "grid vertices per axis; none: 64 for one axis, 32 for two and three, 16 for more", ge=2
    )
    has_norm: bool = param(True, "normalise each point's features before they are modulated")
    interpolation: Interpolation | None = param(
        None, "none: smoothstep where the loss takes derivatives (point clouds), else linear"
    )

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(
            self,
            vertices=self.vertices or {1: 64, 2: 32, 3: 32}.get(spec.d_in, 16),
            interpolation=self.interpolation or ("smoothstep" if spec.kind == "points" else "linear"),
        )

    def build(self, kit: Kit) -> Cell:
        return ModulatedCell(self, kit)


class ModulatedCell(Cell):
    def __init__(self, config: Modulated, kit: Kit) -> None:
        super().__init__()
        assert config.vertices is not None
        self.activation = kit.activation.build(kit.role, kit.width)
        self.linear = kit.make_linear(kit.d_h, self.activation.arity * kit.width)
        self.modulation = Modulation((config.vertices,) * kit.d_x, config.interpolation or "linear")
        self.has_norm = config.has_norm
        self.d_out = kit.width
        self.smoothness = min(self.activation.smoothness, self.modulation.smoothness)

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        a = self.linear(h)
        if self.has_norm:  # each branch of an activation that has several is a layer of its own
            branches = a.reshape(*a.shape[:-1], self.activation.arity, self.d_out)
            a = functional.layer_norm(branches, (self.d_out,), eps=EPS).flatten(-2)
        gamma, beta = self.modulation(x).split(1, -1)
        return self.activation(gamma * a + beta)


class Modulation(nn.Module, Structured):
    """x [*B, D] -> gamma and beta [*B, 2]. role: it learns at the rate of encodings."""

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
