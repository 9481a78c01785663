"""The block of Poly-INR.  Singh et al. 2023 (CVPR), arXiv:2303.11424."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.config import param
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec, single_branch


@BLOCKS.register("poly_inr")
@dataclass(frozen=True, kw_only=True)
class PolyInrBlock(BlockConfig):
    """h' = clamp(sigma(W (h * sigma(A [e; 1]))), +-limit), with h = 1 before the first block and W of H x H.

    A is a parameter here; the paper's generator predicts it from a latent vector. A ~ U(+-1/sqrt(fan_in)), torch's
    default. No initialisation for a single signal is published, and with torch's default ten such layers would shrink
    the output to 1e-6. W is therefore uniform, with the variance that preserves the mean square of h from block to
    block for sigma = LeakyReLU of slope 0.2 and e uniform in [0, 1].
    """

    limit: float = param(256.0, "features are clamped to +- this", gt=0)

    def build(self, spec: BlockSpec) -> Block:
        return PolyInr(self, spec)


class PolyInr(Block):
    def __init__(self, config: PolyInrBlock, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = single_branch(spec, "poly_inr")
        self.is_first = spec.role == "first"
        self.limit = config.limit
        d_h = spec.width if self.is_first else spec.d_h
        self.branch = spec.make_linear(spec.d_e, d_h, "branch", has_bias=True)
        self.linear = spec.make_linear(d_h, spec.width)
        passed = (1 + 0.2**2) / 2  # share of the mean square that LeakyReLU passes
        factor_square = passed * (1 + spec.d_e / 3) / (3 * spec.d_e)
        bound = math.sqrt(3 / (d_h * passed * factor_square))
        self.linear.assign(torch.empty(spec.width, d_h).uniform_(-bound, bound, generator=spec.generator))
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        factor = self.activation(self.branch(e))
        product = factor if self.is_first else h * factor
        return self.activation(self.linear(product)).clamp(-self.limit, self.limit)
