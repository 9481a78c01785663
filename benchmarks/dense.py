"""Training steps of dense networks, and of plain torch: `python benchmarks/dense.py PICTURE [--record dense]`.

Each family has its published network and takes steps of Adam on 2^14 pixels: with the reference (plain torch), with our
kernels in float32, and with bf16 products where the processor has units for them. The three take turns in one process.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from pathlib import Path
from typing import Any

from _record import save

from inr.core.errors import UsageError
from inr.fitting import Run, resolve
from inr.kernels import use_backend
from inr.kernels.precision import bf16_units, reason_against
from inr.signals import Signal, load_signal

FAMILIES = ("siren", "finer", "wire", "gauss", "spder", "mfn_fourier", "mfn_gabor", "fourier_reparam")
BATCH = 2**14
SETTINGS: dict[str, Any] = {"batch": BATCH, "steps": 10**6, "optimizer": "adam", "lr": 1e-4, "schedule": "constant"}
ROUNDS, STEPS = 9, {"torch": 1, "float32": 2, "bfloat16": 3}


def step_ms(run: Run, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        run.take_step()
    return 1e3 * (time.perf_counter() - start) / n


def measured(signal: Signal, family: str) -> dict[str, Any]:
    runs = {name: Run(signal, *resolve(signal, family, SETTINGS)) for name in ("torch", "float32")}
    if reason_against("bfloat16") is None:
        with contextlib.suppress(UsageError):  # families whose products have no such form
            runs["bfloat16"] = Run(signal, *resolve(signal, family, {**SETTINGS, "precision": "bfloat16"}))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS + 1):
        for name, run in runs.items():
            with use_backend("reference") if name == "torch" else contextlib.nullcontext():
                spent = step_ms(run, STEPS[name])
            if number > 0:  # the first round compiles
                times[name].append(spent)
    row: dict[str, Any] = {"family": family, "units": bf16_units(), "n_params": runs["torch"].field.n_params}
    for name, each in times.items():
        row[f"{name}_ms"] = statistics.median(each)
        ratios = [plain / own for plain, own in zip(times["torch"], each, strict=True)]
        row[f"{name}_ratio"] = statistics.median(ratios)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--only", help="families, with commas")
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    signal = load_signal(options.picture)
    rows = []
    for family in options.only.split(",") if options.only else FAMILIES:
        row = measured(signal, family)
        rows.append(row)
        found = [name for name in STEPS if f"{name}_ms" in row]
        cells = [f"{name} {row[f'{name}_ms']:7.1f} ms ({row[f'{name}_ratio']:.1f}x)" for name in found]
        print(f"{family:16} {'  '.join(cells)}", flush=True)
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
