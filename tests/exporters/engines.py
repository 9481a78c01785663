"""A small fitted shape for the formats of engines."""

from __future__ import annotations

import functools

from inr.fitting import Fit
from inr.signals.analytic import demo
from inr.workflows.fit import fit


@functools.cache
def a_torus() -> Fit:
    """A torus of radii 1 and 0.35 in a cube of 2.97, fitted roughly."""
    encoding = {"type": "hash_grid", "levels": 4, "log2_table": 12, "finest": [32]}
    return fit(demo("torus"), {"type": "hash_grid", "encoding": encoding}, {"steps": 80, "batch": 4096})
