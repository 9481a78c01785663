"""The polynomial block of the nested coupled CP decomposition.  Chrysos et al. 2020 (Pi-nets), arXiv:2003.03828."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec, single_branch


@BLOCKS.register("ncp")
@dataclass(frozen=True, kw_only=True)
class Ncp(BlockConfig):
    """h' = sigma((A e) * (S h + B b) [+ h]), the first h' = sigma((A e) * (B b)); of degree N after N blocks.

    A, S and B have no bias; b ~ N(0, 1) is learned. Keep the encoding e in [-1, 1].
    """

    n_constant: int = param(32, "length of the learned vector b of a block", ge=1, le=65536)
    has_skip: bool = param(True, "add the previous features h")

    def build(self, spec: BlockSpec) -> Block:
        return NcpBlock(self, spec)


class NcpBlock(Block):
    role = "branch"

    def __init__(self, config: Ncp, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = single_branch(spec, "ncp")
        self.has_skip = config.has_skip
        self.branch = spec.make_linear(spec.d_e, spec.width, "branch", has_bias=False)
        self.constant = nn.Parameter(torch.randn(config.n_constant, generator=spec.generator))
        self.mix = spec.make_linear(config.n_constant, spec.width, "branch", has_bias=False)
        is_first = spec.role == "first"
        self.linear = None if is_first else spec.make_linear(spec.d_h, spec.width, has_bias=False)
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        factor, constant = self.branch(e), self.mix(self.constant)
        if self.linear is None:
            return self.activation(factor * constant)
        product = factor * (self.linear(h) + constant)
        return self.activation(product + h if self.has_skip else product)
