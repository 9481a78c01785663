"""Time to quality: `python benchmarks/time_to_quality.py FILE... [--record NAME] [--only ours,reference]`.

Every file is fitted with the defaults by three arms in one process, which advance in turns of equal time:

    ours       the fast kernels
    reference  the same fit with every kernel forced to plain torch (INR_BACKEND=reference)
    siren      pictures and sounds: SIREN 3x256 in plain torch, Adam 1e-4, random batches of 2^14

until the target (pictures 40 dB, sounds 40 dB SNR, shapes IoU 0.995), the run's end or `--limit` seconds of training.
Machines change their speed, so ours, which ends first, is repeated while the reference continues, and the median of its
times counts. The record keeps the curves, at steps that grow by a factor, which also give the time to a lower quality;
evaluation, compilation and loading of kernels are not counted. The time to a quality is interpolated between two
evaluations.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import statistics
from pathlib import Path
from typing import Any

import torch
from _curve import Curve
from _record import save
from _siren import PlainRun

from inr.fitting import Run, resolve
from inr.kernels import use_backend
from inr.signals import Signal, load_signal

TARGETS = {"psnr_db": 40.0, "snr_db": 40.0, "iou": 0.995}
LOWER = {"psnr_db": (25.0, 30.0, 35.0), "snr_db": (20.0, 30.0), "iou": (0.97, 0.98, 0.99)}
ARMS = ("ours", "reference", "siren")
REST = 5  # the reference's seconds for each of ours


def curve_of(arm: str, signal: Signal, step_ratio: float) -> Curve:
    if arm == "siren":
        return Curve(PlainRun(signal), signal, step_ratio)
    run = Run(signal, *resolve(signal))
    forced = (lambda: use_backend("reference")) if arm == "reference" else contextlib.nullcontext
    return Curve(run, signal, step_ratio, forced)


def measure(path: Path, arms: list[str], target: float | None, limit_s: float, step_ratio: float) -> dict[str, Any]:
    signal = load_signal(path)
    headline = signal.headline
    target = TARGETS[headline] if target is None else target
    going = {arm: curve_of(arm, signal, step_ratio) for arm in arms if arm != "siren" or headline != "iou"}
    curves: dict[str, list[Curve]] = {arm: [] for arm in going}
    while going:
        arm = min(going, key=lambda name: going[name].seconds)
        if going[arm].advance(limit_s).quality >= target or going[arm].is_over:
            curves[arm].append(going.pop(arm))
        if "ours" in arms and "ours" not in going and "reference" in going:
            spent = sum(curve.seconds for curve in curves["ours"])
            if going["reference"].seconds >= REST * spent:
                going["ours"] = curve_of("ours", signal, step_ratio)
    row: dict[str, Any] = {"file": path.name, "metric": headline, "target": target, "limit_s": limit_s}
    for arm, of_arm in curves.items():
        times = [math.inf if (s := curve.seconds_to(target)) is None else s for curve in of_arm]
        curve = of_arm[times.index(statistics.median_low(times))]
        last = curve.evaluations[-1]
        row[arm] = {
            "seconds_to_target": curve.seconds_to(target),
            "runs": len(times),
            "fastest": min(times) if math.isfinite(min(times)) else None,
            "slowest": max(times) if math.isfinite(max(times)) else None,
            "seconds_to": {str(q): curve.seconds_to(q) for q in LOWER[headline] if q < target},
            "steps": last.step,
            "seconds": last.seconds,
            "quality": last.quality,
            "curve": [dataclasses.astuple(one) for one in curve.evaluations],
        }
    both = [row[arm]["seconds_to_target"] for arm in ("ours", "reference") if arm in row]
    if len(both) == 2 and None not in both:
        row["ratio"] = both[1] / both[0]
    return row


def line(row: dict[str, Any]) -> str:
    parts = []
    for arm in ARMS:
        if arm in row:
            seconds = row[arm]["seconds_to_target"]
            reached = f"{seconds:.1f} s" if seconds is not None else "not reached"
            parts.append(f"{arm} {reached} ({row[arm]['quality']:.4g} after {row[arm]['seconds']:.1f} s)")
    ratio = f"  {row['ratio']:.1f}x" if "ratio" in row else ""
    return f"{row['file']} to {row['target']:g} {row['metric']}: {', '.join(parts)}{ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--only", default=",".join(ARMS), help="arms, with commas")
    parser.add_argument("--target", type=float, help="another quality to reach")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of training per arm, at most")
    parser.add_argument("--step-ratio", type=float, default=1.15, help="between evaluations")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for path in options.files:
        rows.append(measure(path, options.only.split(","), options.target, options.limit, options.step_ratio))
        print(line(rows[-1]), flush=True)
        if options.record:
            save(options.record, rows)


if __name__ == "__main__":
    main()
