"""The plain block: one linear map, then the activation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec
from inr.layers.folding import spectral_norm


@BLOCKS.register("affine")
@dataclass(frozen=True, kw_only=True)
class Affine(BlockConfig):
    """h' = sigma(W h + b)."""

    def build(self, spec: BlockSpec) -> Block:
        return AffineBlock(spec)


class AffineBlock(Block):
    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.activation = spec.activation.build(spec.role, spec.width)
        self.linear = spec.make_linear(spec.d_h, self.activation.arity * spec.width)
        self.d_out = spec.width
        self.smoothness = self.activation.smoothness

    def forward(self, h: Tensor, e: Tensor, x: Tensor) -> Tensor:
        return self.activation(self.linear(h))

    def lipschitz_bound(self) -> float | None:
        slope = self.activation.slope
        if slope is None or self.activation.arity != 1:
            return None
        return max(-slope[0], slope[1]) * spectral_norm(self.linear)
