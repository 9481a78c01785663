"""What each effort of `inr compress` costs: `python benchmarks/efforts.py PICTURE [--record efforts]`.

Every effort has a number of steps and an architecture; a step of each architecture is timed (the median of those
of a run, after a warm-up), and multiplied by the steps. Quantising, coding and verification come on top. Run it while
nothing else runs.

The rate of an effort is that of its record against the record of the highest effort, at equal PSNR, over pictures of
both. Records are made by rd.py, those of effort N other than 5 as `--effort N --record rd-effortN`; `--rates-only`
prints these alone. An effort without a record, or whose points the other curves do not reach, has no rate.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from _bd import Curve, rate_ratio
from _record import newest_rows, save
from torch import Generator, Tensor

from inr.codec.compression_settings import DEFAULT_EFFORT
from inr.codec.profiles.pyramid.architecture import Architecture, architecture_of
from inr.codec.profiles.pyramid.encoder import STEPS, PyramidTarget, quick_steps
from inr.codec.profiles.pyramid.latent_trainer import BRIEF, RateController, Trainer
from inr.codec.rate_target import RateTarget
from inr.signals import Lattice, load_signal

WARM_UP = 10
"""Steps that are not timed."""


def step_seconds(architecture: Architecture, target: Tensor, run: int, timed: int) -> float:
    """Of one step with soft rounding: the median over some of a run, which shorter ones may do differently."""

    class TimedError(Exception):
        pass

    times: list[float] = []

    def on_step(*_: float) -> None:
        times.append(time.perf_counter())
        if len(times) > WARM_UP + timed:
            raise TimedError

    trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0))
    with contextlib.suppress(TimedError):
        trainer.soft(run, on_step)
    return statistics.median(b - a for a, b in pairwise(times[WARM_UP:]))


def points_of(effort: int) -> dict[str, list[tuple[float, float]]]:
    """(bits per pixel, PSNR) by picture, of the newest record of an effort."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in newest_rows("rd" if effort == DEFAULT_EFFORT else f"rd-effort{effort}"):
        found[row["file"]].append((row["bpp"], row["psnr_db"]))
    return found


def relative_rates(points: Mapping[int, Mapping[str, Curve]]) -> dict[int, dict[str, Any]]:
    """Per effort with points, but for the highest: the rate against it, and the pictures that count."""
    efforts = sorted(effort for effort, by_picture in points.items() if by_picture)
    found = {}
    for effort in efforts[:-1]:
        best = next((e for e in reversed(efforts) if e > effort and _ratios(points[effort], points[e])), None)
        if best is not None:
            ratios = _ratios(points[effort], points[best])
            found[effort] = {"against": best, "rate": statistics.fmean(ratios.values()), "files": sorted(ratios)}
    return found


def _ratios(mine: Mapping[str, Curve], theirs: Mapping[str, Curve]) -> dict[str, float]:
    shared = [name for name in sorted(mine.keys() & theirs.keys()) if len(theirs[name]) > 1]
    ratios = {name: rate_ratio(mine[name], theirs[name]) for name in shared}
    return {name: ratio for name, ratio in ratios.items() if ratio is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--quality", type=float, default=50.0)
    parser.add_argument("--timed", type=int, default=30, help="steps that are timed of each architecture")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--remark", default="", help="what a reader of the record must know, such as other work")
    parser.add_argument("--rates-only", action="store_true")
    given = parser.parse_args()
    rates = relative_rates({effort: points_of(effort) for effort in STEPS})
    if given.rates_only:
        print(json.dumps(rates))
        return
    torch.set_num_threads(given.threads)
    signal = load_signal(given.picture)
    assert isinstance(signal, Lattice)
    target = ((signal.frame.to_field(signal.values) + 1) / 2).movedim(-1, 0).contiguous()
    channels, height, width = target.shape
    aim = PyramidTarget(RateTarget(quality=given.quality), signal.frame, height * width)
    times: dict[tuple[Architecture, bool], float] = {}
    rows: list[dict[str, Any]] = []
    for effort, steps in STEPS.items():
        architecture = architecture_of(channels, height, width, effort, aim.expected_bytes)
        is_begun = effort == 1 and channels == 3  # from stored networks
        n = quick_steps(aim.controller(architecture).weight) if is_begun else steps
        key = architecture, n < BRIEF
        if key not in times:
            times[key] = step_seconds(architecture, target, n, given.timed)
        row = {
            "file": given.picture.name, "effort": effort, "counts": architecture.counts, "steps": n,
            "step_s": times[key], "seconds": n * times[key], "relative_rate": rates.get(effort),
            "remark": given.remark,
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        rows.append(row)
    if given.record:
        save(given.record, rows)


if __name__ == "__main__":
    main()
