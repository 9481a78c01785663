"""The training settings of Instant-NGP, for grids of features and a small network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inr.core.domain import Spec


def papers(spec: Spec) -> Mapping[str, Any]:
    """On lattices 35,000 steps, and a third of the rate every 10,000 from step 20,000 on.

    For distances the rate is 1e-4 for 20,000 steps, a third every 5,000 from 10,000 on, of averaged parameters.
    """
    adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15, "l2": 1e-6}
    common: dict[str, Any] = {"optimizer": adam, "batch": 2**18}
    if spec.has_distances:
        falls = {"type": "step", "at": [0.5, 0.75], "decay": 0.33}
        return {**common, "lr": 1e-4, "steps": 20_000, "schedule": falls, "ema": 0.95}
    falls = {"type": "step", "at": [20 / 35, 30 / 35], "decay": 0.33}
    return {**common, "lr": 1e-2, "steps": 35_000, "schedule": falls}
