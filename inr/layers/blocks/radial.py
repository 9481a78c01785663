"""Gaussian units on features.  Bouzidi et al. 2025 (Gaussian RBFNet), arXiv:2503.06762."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec
from inr.layers.blocks._windows import windows


@BLOCKS.register("radial")
@dataclass(frozen=True, kw_only=True)
class Radial(BlockConfig):
    """h'_i = exp(-sum_d b_id (h_d - c_id)^2 / 2), with centres c_i among the features and b = 1 / s^2, all trained.

    There is a width s_id per unit and feature, or one per unit if `is_isotropic`. Centres start at U(+-`reach`), or
    without a reach at N(0, spread^2 / d_h) per coordinate, which is `spread` away from 0 on average; widths start at
    `spread`. Linear map and activation are not used. As in the authors' code, without its levels.
    """

    spread: float = param(1.0, "initial width; without `reach` also the mean distance of centres from 0", gt=0)
    reach: float | None = param(1e-4, "initial centres are uniform in +- this; none: normal", gt=0, absent=None)
    is_isotropic: bool = param(False, "a unit has the same width for all features", absent=True)

    def build(self, spec: BlockSpec) -> Block:
        return RadialBlock(self, spec)


class RadialBlock(Block):
    smoothness = math.inf

    def __init__(self, config: Radial, spec: BlockSpec) -> None:
        super().__init__()
        self.role, self.d_out = spec.role, spec.width
        shape = (spec.width, spec.d_h)
        if config.reach is None:
            centres = config.spread / math.sqrt(spec.d_h) * torch.randn(shape, generator=spec.generator)
        else:
            centres = torch.empty(shape).uniform_(-config.reach, config.reach, generator=spec.generator)
        self.centres = nn.Parameter(centres)
        widths = shape[:1] if config.is_isotropic else shape
        self.log_width = nn.Parameter(torch.full(widths, math.log(config.spread)))

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        return windows(h, self.centres, torch.exp(-2 * self.log_width))
