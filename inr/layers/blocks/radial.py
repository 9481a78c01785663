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
    """h'_i = exp(-|h - c_i|^2 / (2 s_i^2)), with centres c_i among the features and widths s_i, all trained.

    Centres start at N(0, spread^2 / d_h) per coordinate, `spread` away from 0 on average, and widths at `spread`, so
    that every unit is about half active for features near 0. Linear map and activation are not used. We could not
    verify the paper's details: form and initialisation are ours.
    """

    spread: float = param(1.0, "initial mean distance of centres from 0, and initial width", gt=0)

    def build(self, spec: BlockSpec) -> Block:
        return RadialBlock(self, spec)


class RadialBlock(Block):
    smoothness = math.inf

    def __init__(self, config: Radial, spec: BlockSpec) -> None:
        super().__init__()
        self.role, self.d_out = spec.role, spec.width
        sigma = config.spread / math.sqrt(spec.d_h)
        self.centres = nn.Parameter(sigma * torch.randn(spec.width, spec.d_h, generator=spec.generator))
        self.log_width = nn.Parameter(torch.full((spec.width,), math.log(config.spread)))

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        return windows(h, self.centres, torch.exp(-2 * self.log_width))
