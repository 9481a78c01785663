"""Latent pyramids: pictures as grids of small integers at several resolutions, and three small networks."""

from inr.codec.pyramid.profile import Pyramid

__all__ = ["Pyramid"]
