"""The polynomial block of the coupled CP decomposition.  Chrysos et al. 2020 (Pi-nets), arXiv:2003.03828."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec, single_branch


@BLOCKS.register("ccp")
@dataclass(frozen=True, kw_only=True)
class Ccp(BlockConfig):
    """h' = sigma((U e) * h + h), the first h' = sigma(U e). N blocks with sigma = identity: a polynomial of degree N.

    U has no bias. Keep the encoding e in [-1, 1]: values grow like |e|^N.
    """

    def build(self, spec: BlockSpec) -> Block:
        return CcpBlock(spec)


class CcpBlock(Block):
    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = single_branch(spec, "ccp")
        self.is_first = spec.role == "first"
        self.branch = spec.make_linear(spec.d_e, spec.width, "branch", has_bias=False)
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        factor = self.branch(e)
        return self.activation(factor if self.is_first else factor * h + h)
