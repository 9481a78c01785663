"""The initialiser slot: initial values of the parameters."""

from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig

__all__ = ["INITIALISERS", "InitialiserConfig"]
