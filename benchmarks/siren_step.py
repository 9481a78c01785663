"""Training steps of a SIREN, 3 hidden layers of 256, 2^14 points: `python benchmarks/siren_step.py [--record NAME]`.

The kernels and plain torch take turns in one process, for 1 and 2 threads, wall clock and processor time (the latter
says more on a machine that others use). `bound`: what the ratio would be if all but torch's matrix products cost
nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from _record import save
from torch import Generator, Tensor

from inr.kernels import use_backend
from inr.kernels.sine_mlp import sine_mlp

N_POINTS, WIDTHS, OMEGA = 2**14, (2, 256, 256, 256, 256, 3), 30.0
BACKENDS = ("cpu", "reference")


def training_step(generator: Generator) -> Callable[[], None]:
    def uniform(bound: float, *shape: int) -> Tensor:
        return torch.empty(shape).uniform_(-bound, bound, generator=generator).requires_grad_()

    layers = list(pairwise(WIDTHS))
    weights = [uniform(1 / a if a == WIDTHS[0] else (6 / a) ** 0.5 / OMEGA, b, a) for a, b in layers]
    biases = [uniform(a**-0.5, b) for a, b in layers]
    optimizer = torch.optim.Adam([*weights, *biases], lr=1e-4, fused=True)
    x = 2 * torch.rand(N_POINTS, WIDTHS[0], generator=generator) - 1
    y = torch.rand(N_POINTS, WIDTHS[-1], generator=generator)

    def step() -> None:
        optimizer.zero_grad()
        loss = (sine_mlp(x, weights, biases, [OMEGA] * (len(layers) - 1)) - y).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def products(generator: Generator) -> Callable[[], None]:
    """The matrix products of the hidden layers in one step, and nothing else."""
    h, g, w = (torch.randn(n, 256, generator=generator) for n in (N_POINTS, N_POINTS, 256))
    out, w_grad = torch.empty(N_POINTS, 256), torch.empty(256, 256)

    def call() -> None:
        for _ in range(3):
            torch.mm(h, w.t(), out=out)
            torch.mm(g, w, out=out)
            torch.mm(g.t(), h, out=w_grad)

    return call


def timed(call: Callable[[], None]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)


def measure(threads: int, rounds: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    step, only_products = training_step(generator), products(generator)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in (*BACKENDS, "products")}
    for i in range(rounds + 1):
        for name in BACKENDS:
            with use_backend(name):
                step()
                times[name].append(timed(step))
        times["products"].append(timed(only_products))
        if i == 0:
            times = {name: [] for name in times}
    row: dict[str, Any] = {"threads": threads, "n_points": N_POINTS, "widths": WIDTHS, "rounds": rounds}
    for k, clock in enumerate(("wall", "processor")):
        column = {name: [pair[k] for pair in pairs] for name, pairs in times.items()}
        for name, values in column.items():
            row[f"{name}_{clock}_ms"] = statistics.median(values)
            row[f"{name}_{clock}_least_ms"] = min(values)
        row[f"{clock}_ratio"] = _median_ratio(column["reference"], column["cpu"])
        row[f"{clock}_bound"] = _median_ratio(column["reference"], column["products"])
    return row


def _median_ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rows = []
    for threads in (1, 2):
        row = measure(threads, options.rounds)
        rows.append(row)
        for clock in ("wall", "processor"):
            own, torchs = ([row[f"{name}_{clock}{kind}_ms"] for kind in ("", "_least")] for name in BACKENDS)
            print(
                f"{threads} threads, {clock:9}: {own[0]:7.1f} ms, torch {torchs[0]:7.1f} ms,"
                f" {row[f'{clock}_ratio']:5.2f} x (bound {row[f'{clock}_bound']:.2f}); "
                f"least {own[1]:.1f} and {torchs[1]:.1f} ms",
                flush=True,
            )
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
