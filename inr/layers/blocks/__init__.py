"""The block slot: how one layer combines linear maps and activations."""

from inr.layers.blocks._base import BLOCKS, Block, BlockConfig, BlockSpec

__all__ = ["BLOCKS", "Block", "BlockConfig", "BlockSpec"]
