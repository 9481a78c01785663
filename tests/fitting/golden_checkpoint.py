"""`python -m tests.fitting.golden_checkpoint`: a checkpoint of today's format version, half-way through a small run.

An existing one is kept: later versions must continue it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inr.core.header import FORMAT_VERSION
from inr.fitting import Run, resolve, save_checkpoint
from inr.signals.array import Array

FOLDER = Path(__file__).parent / "golden_checkpoints"
HALF, STEPS = 5, 10
RECIPE = {"optimizer": "adam", "lr": 1e-4, "schedule": "constant"}  # what siren had when the first one was made
SETTINGS = {"steps": STEPS, "batch": 16, "ema": 0.9, "clip": 1.0, "seed": 3, **RECIPE}


def signal() -> Array:
    """Values that are equal on every machine: a checkpoint continues only with the same signal."""
    return Array.of_array((np.arange(42, dtype=np.float32).reshape(7, 6) * 5) % 16)


def begun() -> Run:
    """The run, before its first step."""
    run_signal = signal()
    return Run(run_signal, *resolve(run_signal, {"type": "siren", "width": 8, "depth": 2}, SETTINGS))


def half() -> Run:
    """The run, interrupted after `HALF` steps."""
    run = begun()
    run.advance(should_stop=lambda: run.step >= HALF)
    return run


def main() -> None:
    folder = FOLDER / f"v{FORMAT_VERSION}"
    if not folder.exists():
        folder.mkdir(parents=True)
        save_checkpoint(half(), folder)


if __name__ == "__main__":
    main()
