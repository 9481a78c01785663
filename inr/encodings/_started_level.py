"""Which level of a grid can start from a signal's values at its vertices."""

from __future__ import annotations

from inr.kernels.grid_geometry import GridGeometry

MOST_STARTED = 2**17
"""Entries of a level that starts from distances at its vertices: they take about as long as ten training steps."""


def started_level(geometry: GridGeometry) -> int | None:
    """The finest dense level with at most MOST_STARTED entries."""
    levels = zip(geometry.entries, geometry.is_dense, strict=True)
    fitting = [level for level, (n, is_dense) in enumerate(levels) if is_dense and n <= MOST_STARTED]
    return max(fitting, default=None)
