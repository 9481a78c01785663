"""How long each effort of `inr compress` trains a picture: `python benchmarks/efforts.py PICTURE [--record efforts]`.

Every effort has a number of steps and an architecture; a step of each architecture is timed (the median of several
turns, after a warm-up), and multiplied by the steps. Quantising, coding and verification come on top. Run it while
nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from _record import save
from torch import Generator, Tensor

from inr.codec.profiles.pyramid.architecture import Architecture, architecture_of
from inr.codec.profiles.pyramid.encoder import QUICK_STEPS, STEPS, PyramidTarget
from inr.codec.profiles.pyramid.latent_trainer import RateController, Trainer
from inr.codec.rate_target import RateTarget
from inr.signals import Lattice, load_signal


def step_seconds(architecture: Architecture, target: Tensor, turns: int, each: int) -> float:
    """Of one step with soft rounding: the median over turns."""
    trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0))
    trainer.soft(each)
    found = []
    for _ in range(turns):
        start = time.perf_counter()
        trainer.soft(each)
        found.append((time.perf_counter() - start) / each)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--quality", type=float, default=50.0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--each", type=int, default=6, help="steps per turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", help="keep the rows under this name")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    signal = load_signal(given.picture)
    assert isinstance(signal, Lattice)
    target = ((signal.frame.to_field(signal.values) + 1) / 2).movedim(-1, 0).contiguous()
    channels, height, width = target.shape
    aim = PyramidTarget(RateTarget(quality=given.quality), signal.frame, height * width)
    times: dict[Architecture, float] = {}
    rows: list[dict[str, Any]] = []
    for effort, steps in STEPS.items():
        architecture = architecture_of(channels, height, width, effort, aim.expected_bytes)
        if architecture not in times:
            times[architecture] = step_seconds(architecture, target, given.turns, given.each)
        n = QUICK_STEPS if effort == 1 and channels == 3 else steps  # from stored networks
        row = {
            "file": given.picture.name, "effort": effort, "counts": architecture.counts, "steps": n,
            "step_s": times[architecture], "seconds": n * times[architecture],
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        rows.append(row)
    if given.record:
        save(given.record, rows)


if __name__ == "__main__":
    main()
