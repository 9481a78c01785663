"""Gaussian units on features.  Bouzidi et al. 2025 (Gaussian RBFNet), arXiv:2503.06762."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr._config import param
from inr.layers._cell import CELLS, Cell, CellConfig, Kit
from inr.layers._windows import windows


@CELLS.register("radial")
@dataclass(frozen=True, kw_only=True)
class Radial(CellConfig):
    """h'_i = exp(-|h - c_i|^2 / (2 s_i^2)), with centres c_i among the features and widths s_i, all trained.

    Centres start at N(0, spread^2 / d_h) per coordinate, `spread` away from 0 on average, and widths at `spread`, so
    that features near 0 wake every unit by half. Linear map and activation are not used. The paper's details are not
    verified: the form and its start are ours.
    """

    spread: float = param(1.0, "distance from 0 at which centres start", gt=0)

    def build(self, kit: Kit) -> Cell:
        return RadialCell(self, kit)


class RadialCell(Cell):
    smoothness = math.inf

    def __init__(self, config: Radial, kit: Kit) -> None:
        super().__init__()
        self.role, self.d_out = kit.role, kit.width
        sigma = config.spread / math.sqrt(kit.d_h)
        self.centres = nn.Parameter(sigma * torch.randn(kit.width, kit.d_h, generator=kit.generator))
        self.log_width = nn.Parameter(torch.full((kit.width,), math.log(config.spread)))

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        return windows(h, self.centres, torch.exp(-2 * self.log_width))
