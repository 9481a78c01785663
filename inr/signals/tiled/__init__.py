"""Signals that stay on disk and are read tile by tile: one file per kind."""
