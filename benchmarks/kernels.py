"""Times each kernel op on each backend: `python benchmarks/kernels.py [--record NAME] [--repeat 20]`.

One row per op, pass and size: median milliseconds per backend, and how many times the reference takes the time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from _record import save

from inr.kernels import use_backend
from inr.kernels.hash_grid import grid_geometry, hash_grid

BACKENDS = ("cpu", "reference")
# d_in, log2 of the table size, finest resolution, points; 16 levels from resolution 16, 2 features.
SIZES = ((1, 16, 65536, 2**14), (2, 16, 768, 2**14), (3, 19, 2048, 2**16))


def median_ms(call: Callable[[], object], repeat: int) -> float:
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def hash_grid_passes(d_in: int, log2_table_size: int, finest: int, n: int) -> dict[str, Callable[[], object]]:
    """The passes of a training step: values, with the table's gradient, by x, and the eikonal one."""
    generator = torch.Generator().manual_seed(0)
    geometry = grid_geometry(d_in, 16, log2_table_size, (16,) * d_in, (finest,) * d_in)
    x = torch.rand(n, d_in, generator=generator)
    points = x.clone().requires_grad_()
    table = torch.randn(geometry.total_entries, 2, generator=generator).requires_grad_()
    g = torch.randn(n, 32, generator=generator)

    def eikonal() -> object:
        (normal,) = torch.autograd.grad(hash_grid(points, table, geometry, order=2), points, g, create_graph=True)
        return torch.autograd.grad((normal.norm(dim=-1) - 1).square().mean(), table)

    return {
        "forward": lambda: hash_grid(x, table.detach(), geometry),
        "forward + table gradient": lambda: torch.autograd.grad(hash_grid(x, table, geometry), table, g),
        "forward + x gradient": lambda: torch.autograd.grad(hash_grid(points, table.detach(), geometry), points, g),
        "eikonal step": eikonal,
    }


def measure(repeat: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        for name, call in hash_grid_passes(*size).items():
            row: dict[str, Any] = {"op": "hash_grid", "pass": name, "d_in": size[0], "n_points": size[3]}
            for backend in BACKENDS:
                with use_backend(backend):
                    row[f"{backend}_ms"] = median_ms(call, repeat if backend == "cpu" else max(3, repeat // 10))
            row["ratio"] = row["reference_ms"] / row["cpu_ms"]
            rows.append(row)
            print(
                f"{row['op']:10} {row['d_in']}-D {row['n_points']:6} points  {name:25}"
                f"{row['cpu_ms']:10.2f} ms{row['reference_ms']:11.2f} ms{row['ratio']:8.1f} x"
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--repeat", type=int, default=20, help="calls per median")
    options = parser.parse_args()
    print(f"{'op':10} {'size':17}  {'pass':25}{'cpu':>13}{'reference':>14}{'ratio':>10}")
    rows = measure(options.repeat)
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
