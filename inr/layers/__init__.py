"""Layers: linear maps, activations with their initialisation, cells, heads and initialisers."""

from inr.layers._activation import ACTIVATIONS, Activation, ActivationConfig
from inr.layers._cell import CELLS, Cell, CellConfig, Kit
from inr.layers._head import HEADS, Head, HeadConfig
from inr.layers._initialiser import INITIALISERS, InitialiserConfig
from inr.layers._linear import LINEARS, Linear, LinearConfig, Role

__all__ = [
    "ACTIVATIONS",
    "CELLS",
    "HEADS",
    "INITIALISERS",
    "LINEARS",
    "Activation",
    "ActivationConfig",
    "Cell",
    "CellConfig",
    "Head",
    "HeadConfig",
    "InitialiserConfig",
    "Kit",
    "Linear",
    "LinearConfig",
    "Role",
]
