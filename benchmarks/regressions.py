"""Compare the speed of the ten most important kernels with their records: `python benchmarks/regressions.py`.

Each kernel takes turns with its torch reference on one thread, in one process; the ratio of their times depends little
on the machine and its load. The newest record of `kernels.py` has the expected ratio. Prints a table; exits with 1 if a
ratio is below LEAST of the expected one. Takes a minute after kernels are compiled. CI runs it.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch
from _cases import CASES
from _timing import interleaved, ratio
from table import together

from inr.kernels import use_backend

LEAST = 0.5
SECONDS = 3.0
POINTS = 16384


class Kernel(NamedTuple):
    """A case of `_cases.py`: its op, size and pass."""

    op: str
    size: str
    name: str


BACKWARD = "forward + backward"
KERNELS = (
    Kernel("grid_mlp_loss", "2-D, 16384 points, 10 x 2, 2^16, 20-32-3", BACKWARD),  # a step of a picture
    Kernel("grid_mlp_loss", "3-D, 16384 points, 13 x 2, 2^16, 26-32-3", BACKWARD),  # a step of a shape
    Kernel("hash_grid", "2-D, 16384 points, 16 x 2, 2^16", BACKWARD),
    Kernel("hash_grid", "3-D, 16384 points, 16 x 2, 2^19", "eikonal: gradient of a gradient"),
    Kernel("dense_mlp", "16384 points, 2-256-256-256-3", BACKWARD),  # a step of SIREN
    Kernel("kernel_sum", "2-D, 16384 points, 1024 Gaussians, 3 channels", BACKWARD),
    Kernel("splat", "2-D, 16384 points, 8192 Gaussians, 3 channels", BACKWARD),
    Kernel("context_rate", "16384 pixels, 7 grids, 8 + 4 contexts, 2 hidden layers", BACKWARD),  # a step of the codec
    Kernel("pyramid_error", "16384 pixels, 7 grids, 7-16-3, 2 filters", BACKWARD),
    Kernel("noisy_round", "16384 numbers", BACKWARD),
)


def expected() -> dict[Kernel, float]:
    """The newest recorded ratio of each kernel."""
    rows, _ = together("kernels")
    return {Kernel(r["op"], r["size"], r["pass"]): r["ratio"] for r in rows if r.get("ratio")}


def measured(kernel: Kernel) -> float:
    case = next(c for c in CASES[kernel.op](POINTS) if (c.size, c.name) == (kernel.size, kernel.name))

    def reference() -> object:
        with use_backend("reference"):
            return case.call()

    return ratio(interleaved({"reference": reference, "chosen": case.call}, SECONDS), "reference", "chosen")


def main() -> None:
    torch.set_num_threads(1)
    known, is_slower = expected(), False
    for kernel in KERNELS:
        found = measured(kernel)
        share = found / known[kernel]
        is_slower |= share < LEAST
        print(f"{kernel.op:14} {kernel.size:56} {found:6.2f}x  of {known[kernel]:6.2f}x  {share:5.0%}", flush=True)
    if is_slower:
        sys.exit(f"a kernel is slower than {LEAST:.0%} of its record")


if __name__ == "__main__":
    main()
