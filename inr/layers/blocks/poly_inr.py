"""The block of Poly-INR.  Singh et al. 2023 (CVPR), arXiv:2303.11424."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.config import param
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec, single_branch
from inr.layers.linear import Linear


@BLOCKS.register("poly_inr")
@dataclass(frozen=True, kw_only=True)
class PolyInrBlock(BlockConfig):
    """h' = clamp(sigma(W (h * sigma(A [g; 1]))), +-limit), g' = M [g; 1], with g = e before the first block.

    Every level moves the coordinates by its own affine map M and hands them on; A reads the moved ones. The first
    level has no h, and no sigma around A: h' = clamp(sigma(W A [g; 1])). With `has_chain` false, as in files of inr
    0.1, there is no M, and the first level has sigma around A. W is H x H.

    A and M are parameters here; the paper's generator predicts them from a latent vector. A ~ U(+-1/sqrt(fan_in)),
    torch's default, and M is the identity. No initialisation for a single signal is published, and with torch's default
    ten such layers would shrink the output to 1e-6. W is therefore uniform, with the variance that preserves the mean
    square of h from block to block for sigma = LeakyReLU of slope 0.2 and e uniform in [0, 1].
    """

    limit: float = param(256.0, "features are clamped to +- this", gt=0)
    has_chain: bool = param(True, "every level moves the coordinates and hands them on", absent=False)

    def build(self, spec: BlockSpec) -> Block:
        return PolyInr(self, spec)


class PolyInr(Block):
    def __init__(self, config: PolyInrBlock, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = single_branch(spec, "poly_inr")
        self.is_first = spec.role == "first"
        self.limit = config.limit
        self.d_moved = spec.d_e if config.has_chain else 0
        """Moved coordinates behind the features that enter and leave."""
        self.hands_on = config.has_chain and not spec.is_last
        d_h = spec.width if self.is_first else spec.d_h - self.d_moved
        self.move: Linear | None = None
        if config.has_chain:
            self.move = spec.make_linear(spec.d_e, spec.d_e, "branch", has_bias=True)
            self.move.assign(torch.eye(spec.d_e))
            self.move.assign_bias(torch.zeros(spec.d_e))
        self.branch = spec.make_linear(spec.d_e, d_h, "branch", has_bias=True)
        self.linear = spec.make_linear(d_h, spec.width)
        passed = (1 + 0.2**2) / 2  # share of the mean square that LeakyReLU passes
        factor_square = (1 + spec.d_e / 3) / (3 * spec.d_e)
        if not self.is_plain:
            factor_square *= passed
        bound = math.sqrt(3 / (d_h * passed * factor_square))
        self.linear.assign(torch.empty(spec.width, d_h).uniform_(-bound, bound, generator=spec.generator))
        self.d_out = spec.width + (self.d_moved if self.hands_on else 0)
        self.smoothness = self.activation.smoothness

    @property
    def is_plain(self) -> bool:
        """Whether there is no activation around A."""
        return self.is_first and self.move is not None

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        moved = e if self.is_first or self.move is None else h[..., -self.d_moved :]
        if self.move is not None:
            moved = self.move(moved)
        factor = self.branch(moved)
        if not self.is_plain:
            factor = self.activation(factor)
        if not self.is_first:
            factor = factor * (h if self.move is None else h[..., : -self.d_moved])
        out = self.activation(self.linear(factor)).clamp(-self.limit, self.limit)
        return torch.cat([out, moved], -1) if self.hands_on else out
