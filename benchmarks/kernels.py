"""Time each kernel op on each backend: `python benchmarks/kernels.py [--record NAME] [--only hash_grid]`.

Ops are found automatically; `_cases.py` has their cases. One row per op, size and pass: backends take turns with the
op's own choice; median milliseconds of each, the median of the rounds' ratios, and the shares of the machine's memory
and compute ceilings (measured in the same run) that the choice reaches. At the end: cases in which an op chooses a
backend slower than its reference, confirmed by a second, longer measurement. These end with exit code 1.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Callable
from typing import Any

import torch
from _cases import CASES, Case
from _machine import Peaks, peaks
from _record import save
from _timing import interleaved, ratio

from inr.core.errors import UnavailableError
from inr.kernels import Op, ops, use_backend

SLACK = 0.95  # of the reference's speed: the noise between two equal calls
CHOSEN = "chosen"


def arms(op: Op, case: Case) -> dict[str, Callable[[], object]]:
    """The op's own choice, and every backend that can run the case."""

    def forced(name: str) -> Callable[[], object]:
        def call() -> object:
            with use_backend(name):
                return case.call()

        return call

    found = {CHOSEN: case.call}
    for backend in op.backends:
        try:
            forced(backend.name)()
        except UnavailableError:
            continue
        found[backend.name] = forced(backend.name)
    return found


def measure(op: Op, case: Case, machine: Peaks, seconds: float) -> dict[str, Any]:
    times = interleaved(arms(op, case), seconds)
    ms = {name: statistics.median(values) for name, values in times.items()}
    return {
        "op": op.name,
        "size": case.size,
        "pass": case.name,
        "ms": ms,
        "rounds": len(times[CHOSEN]),
        "ratio": ratio(times, "reference", CHOSEN),
        "ratios": {name: ratio(times, "reference", name) for name in ms if name not in ("reference", CHOSEN)},
        "n_bytes": case.n_bytes,
        "n_flops": case.n_flops,
        **machine.share(ms[CHOSEN], case.n_bytes, case.n_flops),
    }


def line(row: dict[str, Any]) -> str:
    ratios = " ".join(f"{name} {value:.2f}x" for name, value in row["ratios"].items())
    return (
        f"{row['op']:14}{row['size']:46}{row['pass']:32}{row['ms'][CHOSEN]:9.2f} ms of {row['ms']['reference']:9.2f} ms"
        f"{row['ratio']:8.2f}x  memory {row['memory_share']:4.0%}  compute {row['compute_share']:4.0%}  ({ratios})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--only", help="ops, with commas")
    parser.add_argument("--points", default="1024,16384,65536", help="numbers of points, with commas")
    parser.add_argument("--seconds", type=float, default=2.0, help="of rounds, per row")
    parser.add_argument("--threads", type=int, help="default: torch's choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = peaks()
    print(f"memory {machine.bytes_per_s / 1e9:.1f} GB/s (triad), float32 {machine.flops_per_s / 1e9:.0f} Gflop/s (mm)")
    wanted = options.only.split(",") if options.only else sorted(ops())
    rows: list[dict[str, Any]] = [{"op": "machine", **dataclasses.asdict(machine)}]
    for name in wanted:
        if name not in CASES:
            print(f"{name}: no case in benchmarks/_cases.py")
            continue
        for n in map(int, options.points.split(",")):
            for case in CASES[name](n):
                row = measure(ops()[name], case, machine, options.seconds)
                if row["ratio"] < SLACK:
                    row = measure(ops()[name], case, machine, 4 * options.seconds)
                rows.append(row)
                print(line(rows[-1]), flush=True)
                if options.record:
                    save(options.record, rows)
    slower = [row for row in rows[1:] if row["ratio"] < SLACK]
    for row in slower:
        print(f"slower than the reference: {row['op']} {row['size']} {row['pass']}: {row['ratio']:.2f}x")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
