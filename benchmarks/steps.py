"""Steps per second with the fast kernels and with the torch reference: `python benchmarks/steps.py PICTURE`.

Both take turns in one process, on three configurations: the hash grid as published for pictures (16 levels of 2
features, 2^16 entries, finest resolution 768, 64x2 ReLU, 2^14 pixels a step), this project's default, and a SIREN of
3x256 at 2^14 pixels a step (`peers.py` compares it with a plain loop of torch, and with its authors' code).
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from _record import save

from inr.fitting import Run, resolve
from inr.kernels import use_backend
from inr.signals import load_signal

PUBLISHED = {
    "type": "hash_grid",
    "width": 64,
    "depth": 2,
    "encoding": {"type": "hash_grid", "levels": 16, "features": 2, "log2_table": 16, "base": 16, "finest": [768]},
}
CONFIGURATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "published": (PUBLISHED, {"batch": 2**14}),
    "default": ("hash_grid", {}),
    "siren 3x256": ({"type": "siren", "width": 256, "depth": 3}, {"batch": 2**14, "lr": 1e-4}),
}
ROUNDS, STEPS = 7, {"cpu": 20, "reference": 4}


def step_ms(run: Run, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        run.take_step()
    return 1e3 * (time.perf_counter() - start) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    signal = load_signal(options.picture)
    rows = []
    for name, (field, settings) in CONFIGURATIONS.items():
        run = Run(signal, *resolve(signal, field, settings))
        times: dict[str, list[float]] = {"cpu": [], "reference": []}
        step_ms(run, 5)
        for _ in range(ROUNDS):
            times["cpu"].append(step_ms(run, STEPS["cpu"]))
            with use_backend("reference"):
                times["reference"].append(step_ms(run, STEPS["reference"]))
        ratios = [r / c for c, r in zip(times["cpu"], times["reference"], strict=True)]
        row = {
            "configuration": name,
            "file": options.picture.name,
            "cpu_ms": statistics.median(times["cpu"]),
            "reference_ms": statistics.median(times["reference"]),
            "ratio": statistics.median(ratios),
        }
        rows.append(row)
        print(f"{name:12} {row['cpu_ms']:8.1f} ms  {row['reference_ms']:8.1f} ms  {row['ratio']:6.1f} x", flush=True)
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
