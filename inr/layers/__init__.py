"""Layers: linear maps, activations with their initialisation, blocks, heads and initialisers."""

from inr.layers.activations import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.blocks import BLOCKS, Block, BlockConfig, BlockSpec
from inr.layers.heads import HEADS, Head, HeadConfig
from inr.layers.initialisers import INITIALISERS, InitialiserConfig
from inr.layers.linear import LINEARS, Linear, LinearConfig, Role

__all__ = [
    "ACTIVATIONS",
    "BLOCKS",
    "HEADS",
    "INITIALISERS",
    "LINEARS",
    "Activation",
    "ActivationConfig",
    "Block",
    "BlockConfig",
    "BlockSpec",
    "Head",
    "HeadConfig",
    "InitialiserConfig",
    "Linear",
    "LinearConfig",
    "Role",
]
