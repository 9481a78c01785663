"""Latent pyramids: pictures as grids of small integers at several resolutions, and three small networks."""

from inr.codec.profiles.pyramid.latent_pyramid import PyramidProfile

__all__ = ["PyramidProfile"]
