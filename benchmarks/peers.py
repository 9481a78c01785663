"""inr against other packages: `python benchmarks/peers.py --peers-python VENV/bin/python [PICTURE...]`.

    python3 -m venv peers && peers/bin/pip install torch==2.13.0 fast-ngp==0.1.0 implicitlab==0.5

Peers run in that interpreter, in a separate process that waits while ours runs; steps take turns, and so do whole fits.
`--siren-checkout` is a working copy of vsitzmann/siren. A missing or failing peer is a row with the reason.

Steps: forward and backward of a hash-grid encoding in 3-D (65,536 points, 16 levels of 2 features, 2^19 entries, 16 to
512; fast-ngp hashes every level, ours keeps the coarse ones dense, like tiny-cuda-nn), and a step of Adam of a SIREN.
Pictures: PSNR of the 8-bit picture over seconds of training, ours with its defaults, all for the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _curve import Curve
from _machine import peaks
from _record import save
from _siren import PlainRun
from _timing import interleaved, ratio

from inr.fitting import Run, resolve
from inr.kernels.hash_grid import grid_geometry, hash_grid
from inr.signals import Signal, load_signal

GRID = {"levels": 16, "log2_table": 19, "features": 2, "base": 16, "finest": 512}
POINTS = 65536
LOOK_RATIO = 1.3


class PeerError(Exception):
    """The error of a peer."""


class Peer:
    """The worker in the peers' interpreter."""

    def __init__(self, python: Path, threads: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        worker = Path(__file__).parent / "_peer.py"
        self._process = subprocess.Popen(
            [str(python), str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.versions: dict[str, str] = self.call("hello", threads=threads)

    def call(self, name: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"call": name, **arguments}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["result"]


def grid_step() -> Callable[[], object]:
    geometry = grid_geometry(3, GRID["levels"], GRID["log2_table"], (GRID["base"],) * 3, (GRID["finest"],) * 3)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(POINTS, 3, generator=generator)
    table = torch.rand(geometry.total_entries, GRID["features"], generator=generator).requires_grad_()
    g = torch.randn(POINTS, GRID["levels"] * GRID["features"], generator=generator)
    return lambda: torch.autograd.grad(hash_grid(x, table, geometry), table, g)


def siren_step(signal: Signal) -> Callable[[], object]:
    settings = {"batch": 2**14, "lr": 1e-4}
    run = Run(signal, *resolve(signal, {"type": "siren", "width": 256, "depth": 3}, settings))
    return run.take_step


def compare_steps(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], seconds: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"what": "step", "peer": name}
    try:
        times = interleaved({"ours": ours, "theirs": theirs}, seconds)
    except PeerError as error:
        return row | {"not_available": str(error)}
    ms = {f"{key}_ms": statistics.median(values) for key, values in times.items()}
    return row | ms | {"rounds": len(times["ours"]), "ratio": ratio(times, "theirs", "ours")}


def compare_pictures(path: Path, peer: Peer, checkout: Path | None, seconds: float) -> list[dict[str, Any]]:
    signal = load_signal(path)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pixels = str(Path(folder) / "pixels.npy")
        np.save(pixels, np.asarray(np.round(signal.values.numpy() * 255), np.uint8))  # type: ignore[attr-defined]
        fits: dict[str, Callable[[], Any]] = {
            "implicitlab": lambda: peer.call(
                "implicitlab_picture", pixels=pixels, seconds=seconds, log2_table=16, finest=768
            ),
        }
        if checkout is not None:
            fits["vsitzmann/siren"] = lambda: peer.call(
                "siren_picture", checkout=str(checkout), pixels=pixels, seconds=seconds, batch=2**14
            )
        for name, fit in fits.items():
            row: dict[str, Any] = {"what": "picture", "peer": name, "file": path.name, "seconds": seconds}
            try:
                theirs = fit()
            except PeerError as error:
                rows.append(row | {"not_available": str(error)})
                continue
            ours = Curve(Run(signal, *resolve(signal)), signal, LOOK_RATIO)
            rows.append(
                row | {"ours": [(one.step, one.seconds, one.quality) for one in ours.until(seconds)], "theirs": theirs}
            )
    return rows


def line(row: dict[str, Any]) -> str:
    if "not_available" in row:
        return f"{row['what']:8}{row['peer']:18} not available: {row['not_available']}"
    if row["what"] == "step":
        return (
            f"step    {row['peer']:18}{row['ours_ms']:9.1f} ms, theirs {row['theirs_ms']:9.1f} ms{row['ratio']:8.1f}x"
        )
    ours, theirs = row["ours"][-1], row["theirs"][-1]
    return (
        f"picture {row['peer']:18} {row['file']}: {ours[2]:.2f} dB in {ours[1]:.1f} s, "
        f"theirs {theirs[2]:.2f} dB in {theirs[1]:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--peers-python", type=Path, required=True, help="interpreter of the peers' environment")
    parser.add_argument("--siren-checkout", type=Path, help="working copy of vsitzmann/siren")
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--seconds", type=float, default=20.0, help="of rounds per step, and of training per picture")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    peer = Peer(options.peers_python, options.threads)
    machine = peaks()
    rows: list[dict[str, Any]] = [
        {"what": "versions", **peer.versions, "bytes_per_s": machine.bytes_per_s, "flops_per_s": machine.flops_per_s}
    ]

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        print(line(row), flush=True)
        if options.record:
            save(options.record, rows)

    add(
        compare_steps(
            "fast-ngp", grid_step(), lambda: peer.call("fast_ngp_step", points=POINTS, **GRID), options.seconds
        )
    )
    if options.siren_checkout is None:
        add({"what": "step", "peer": "vsitzmann/siren", "not_available": "no --siren-checkout was given"})
    elif options.pictures:
        signal = load_signal(options.pictures[0])
        checkout = str(options.siren_checkout)
        theirs = {"checkout": checkout, "points": 2**14, "hidden": 256, "layers": 3}
        add(
            compare_steps(
                "vsitzmann/siren", siren_step(signal), lambda: peer.call("siren_step", **theirs), options.seconds
            )
        )
        plain = PlainRun(signal)
        add(compare_steps("plain torch SIREN", siren_step(signal), plain.train_step, options.seconds))
    for path in options.pictures:
        for row in compare_pictures(path, peer, options.siren_checkout, options.seconds):
            add(row)


if __name__ == "__main__":
    main()
