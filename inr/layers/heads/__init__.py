"""The head slot: the last map, from features to values."""

from inr.layers.heads._base import HEADS, Head, HeadConfig

__all__ = ["HEADS", "Head", "HeadConfig"]
