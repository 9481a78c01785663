"""Timings of the tangent kernel and its report: `python benchmarks/ntk_speed.py [--only kernel,full,quick]`.

kernel: the exact matrix of a SIREN of 3 layers of 256, 2 inputs and 1 output, at N = 1024 and 2048 points, layer by
layer and by torch.func (vmap of jacrev, one parameter tensor after the other), both in float32 and in turns; the ratio
is the median over the rounds. full: the whole report in mode full with N = 4096 points in the matrix, on a grey 64 x 64
picture. quick: the report in mode quick on a 768 x 512 picture. Both with that SIREN, a run of 2000 steps, and with all
parts, also the rehearsal and trials of settings; seconds by part.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from _record import save
from _timing import interleaved, ratio
from torch import Generator, Tensor

from inr import ntk
from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import Field, FieldConfig
from inr.signals import Signal
from inr.signals.image import Image

SIREN = {"type": "siren", "width": 256, "depth": 3}
CHUNK = 128


def contraction(field: Field, x: Tensor) -> Tensor:
    """J J^T [N, N] of one output, as in PyTorch's tutorial on tangent kernels, in chunks that fit into memory."""
    params = {name: p.detach() for name, p in field.named_parameters()}

    def value(values: dict[str, Tensor], at: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(field, values, (at[None],))
        return out[0]

    rows = torch.func.vmap(torch.func.jacrev(value), (None, 0), chunk_size=CHUNK)(params, x)
    return torch.stack([(j := row.flatten(1)) @ j.T for row in rows.values()]).sum(0)


def kernels(sizes: tuple[int, ...], seconds: float) -> list[dict[str, Any]]:
    spec = Spec("image", 2, 1, (64, 64))
    field = parse(FieldConfig, SIREN, "field").resolve(spec).build(spec, Generator().manual_seed(0))
    few = torch.rand(256, 2, generator=Generator().manual_seed(0))
    exact = contraction(field, few)
    difference = float((ntk.tangent_kernel(field, few, dtype=torch.float32).matrix - exact).norm() / exact.norm())
    rows = []
    for n in sizes:
        x = torch.rand(n, 2, generator=Generator().manual_seed(0))
        calls = {
            "layerwise": lambda x=x: ntk.tangent_kernel(field, x, dtype=torch.float32).matrix,
            "contraction": lambda x=x: contraction(field, x),
        }
        times = interleaved(calls, seconds)
        row = {
            "what": "kernel",
            "n": n,
            "seconds": {name: statistics.median(ms) / 1e3 for name, ms in times.items()},
            "ratio": ratio(times, "contraction", "layerwise"),
            "rounds": len(times["layerwise"]),
            "difference": difference,
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def picture(width: int, height: int, channels: int) -> Signal:
    """Waves of all lengths with an edge."""
    from skimage import data
    from skimage.transform import resize

    photo = resize(data.astronaut(), (height, width, 3))
    pixels = photo if channels == 3 else photo.mean(-1, keepdims=True)
    return Image.of_pixels((255 * pixels).round().astype("uint8"))


def report(what: str, signal: Signal, **settings: Any) -> dict[str, Any]:
    parts: list[tuple[str, float]] = []
    begin = time.perf_counter()
    found = ntk.ntk_report(
        signal, SIREN, {"steps": 2000}, on_progress=lambda part: parts.append((part, time.perf_counter())), **settings
    )
    end = time.perf_counter()
    stops = [at for _, at in parts[1:]] + [end]
    row = {
        "what": what,
        "n": found.modes.n,
        "points": signal.pool(Generator()).size,
        "band_points": sum(b.count for b in found.bands),
        "seconds": end - begin,
        "parts": {name: round(stop - at, 2) for (name, at), stop in zip(parts, stops, strict=True)},
        "report_parts": dict(found.seconds),
    }
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="kernel,full,quick", help="with commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="of rounds, per size of the kernel")
    parser.add_argument("--record", help="keep the rows under this name")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    wanted = given.only.split(",")
    rows: list[dict[str, Any]] = []
    if "kernel" in wanted:
        rows += kernels((1024, 2048), given.seconds)
    if "full" in wanted:
        rows.append(report("full", picture(64, 64, 1), mode="full", points=4096))
    if "quick" in wanted:
        rows.append(report("quick", picture(768, 512, 3)))
    if given.record:
        save(given.record, rows)


if __name__ == "__main__":
    main()
