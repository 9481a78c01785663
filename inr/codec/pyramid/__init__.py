"""Latent pyramids: pictures as grids of small integers at several resolutions, and three small networks."""
