"""Solids from triangles and points: orientation, boundary, signed distances."""
