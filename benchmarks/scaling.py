"""Time to 40 dB and memory against the number of pixels: python benchmarks/scaling.py FOLDER [--record scaling]

    python benchmarks/scaling.py photographs --sizes 0.4M 1.6M --ways default hashed

FOLDER has photographs of 768 x 512 (PNG), of which large pictures are put together (`_mosaic.py`). Ways:

* default: `inr fit` with its defaults
* hashed: 10 hashed levels from a random table (`field.init=xavier`), 550 steps of a 24th of the pixels
* hashed, 16384: the same with batches of 16384 samples, as the default was before
* torch: as `hashed`, with plain torch in place of our kernels

Each fit is a process of its own. Its time to the target goes from the loaded picture to the step at which the picture
is at the target, without the time of measuring it; compiled kernels come from the cache. Memory is the process's peak
(VmHWM), of which the picture's values, as floats, and the imports are given apart.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio

sys.path.insert(0, str(Path(__file__).parent))

from _mosaic import SIZES, mosaic
from _record import save

WAYS = ("default", "hashed", "hashed, 16384", "torch")
MOST_OF_TORCH = "1.6M"
MEASURED = 2**20
"""Pixels that the quality is measured on, evenly spaced."""


def hashed(shape: tuple[int, ...]) -> dict[str, Any]:
    """The field that was the default before dense levels started from the picture."""
    n = max(shape) + 1
    table = min(22, max(10, math.ceil(math.log2(math.prod(shape) / 8))))
    encoding = {"type": "hash_grid", "levels": 10, "base": round(n / 6), "log2_table": table}
    return {"type": "hash_grid", "encoding": encoding, "init": "xavier"}


def one(path: Path, size: str, way: str, target: float, limit_s: float) -> dict[str, Any]:
    """One fit of the picture in a file, in this process."""
    import contextlib

    import numpy as np
    import torch

    from inr.fitting import Run
    from inr.kernels import use_backend
    from inr.signals import load_signal
    from inr.signals.image import Image
    from inr.workflows.fit import FitPlan

    picture = load_signal(path)
    assert isinstance(picture, Image)
    n_pixels = math.prod(picture.spec.shape or ())
    loaded = _memory("VmRSS")
    settings: dict[str, Any] = {}
    if way == "hashed, 16384":
        settings["batch"] = 16384

    def started(steps: int | None = None) -> Run:
        field = None if way == "default" else hashed(picture.spec.shape or ())
        return FitPlan.of(picture, field, settings if steps is None else settings | {"steps": steps}).begin()

    pool = picture.pool(torch.Generator())
    seen = pool.batch(torch.arange(0, n_pixels, max(1, n_pixels // MEASURED)))
    pixels = picture.frame.from_field(seen.y).numpy()

    def quality(run: Run) -> float:
        with torch.no_grad():
            values = torch.cat([run.field(x) for x in seen.x.split(2**18)])
        written = np.rint(np.clip(picture.frame.from_field(values).numpy(), 0, 1) * 255) / 255
        return -10 * math.log10(float(np.mean((written - pixels) ** 2, dtype=np.float64)))

    with use_backend("reference") if way == "torch" else contextlib.nullcontext():
        warm = started(2)  # compiles and loads kernels
        warm.advance()
        del warm
        begin = time.perf_counter()
        run = started()
        start_s = time.perf_counter() - begin
        curve = [{"step": 0, "seconds": start_s, "psnr_db": quality(run)}]
        every = 25
        while run.fraction_done() < 1 and run.seconds < limit_s:
            until = run.step + every
            run.advance(should_stop=lambda until=until: run.step >= until)
            curve.append({"step": run.step, "seconds": start_s + run.seconds, "psnr_db": quality(run)})
    reached = [row["seconds"] for row in curve if row["psnr_db"] >= target]
    return {
        "size": size,
        "pixels": n_pixels,
        "way": way,
        "start_s": start_s,
        "start_db": curve[0]["psnr_db"],
        "target_db": target,
        "seconds_to_target": reached[0] if reached else None,
        "seconds": curve[-1]["seconds"],
        "psnr_db": curve[-1]["psnr_db"],
        "parameters_per_value": run.field.n_params / (n_pixels * picture.spec.d_out),
        "batch": run.settings.batch,
        "loaded_gb": loaded,
        "peak_gb": _memory("VmHWM"),
        "picture_gb": 4e-9 * picture.values.numel(),
        "threads": torch.get_num_threads(),
        "curve": curve,
    }


def slope(rows: list[dict[str, Any]]) -> float:
    """Of log(seconds to the target) against log(pixels), by least squares."""
    points = [(math.log(r["pixels"]), math.log(r["seconds_to_target"])) for r in rows]
    mean_x, mean_y = (sum(p[i] for p in points) / len(points) for i in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def _memory(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    return 1024e-9 * int(next(line for line in text.splitlines() if line.startswith(field)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES, metavar="SIZE")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, metavar="WAY")
    parser.add_argument("--target", type=float, default=40.0, help="PSNR in dB")
    parser.add_argument("--limit", type=float, default=600.0, metavar="S", help="seconds of training of a fit, at most")
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.folder, args.sizes[0], args.ways[0], args.target, args.limit)))
        return
    with tempfile.TemporaryDirectory() as place:
        rows = measured(args, Path(place) / "picture.png")
    for way in args.ways:
        reached = [row for row in rows if row["way"] == way and row["seconds_to_target"] is not None]
        if len(reached) > 1:
            print(f"{way}: time to {args.target:g} dB grows as pixels^{slope(reached):.2f}")
    if args.record:
        print(save(args.record, rows))


def measured(args: argparse.Namespace, path: Path) -> list[dict[str, Any]]:
    """A row for each size and way, printed as it comes. path: of the picture's file."""
    rows: list[dict[str, Any]] = []
    print(f"{'pixels':>10} {'way':16} {'to target':>10} {'all steps':>10} {'start dB':>9} {'end dB':>7} {'GB':>6}")
    for size in args.sizes:
        iio.imwrite(path, mosaic(args.folder, size))
        for way in args.ways:
            if way == "torch" and SIZES[size][0] * SIZES[size][1] > math.prod(SIZES[MOST_OF_TORCH]):
                continue  # minutes per fit
            words = ["--one", "--sizes", size, "--ways", way, "--target", str(args.target), "--limit", str(args.limit)]
            done = subprocess.run(
                [sys.executable, __file__, str(path), *words], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{size:>10} {way:16} failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            row = json.loads(done.stdout)
            rows.append(row)
            to_target = "-" if row["seconds_to_target"] is None else f"{row['seconds_to_target']:.2f} s"
            print(
                f"{row['pixels']:10,} {way:16} {to_target:>10} {row['seconds']:8.1f} s {row['start_db']:9.1f} "
                f"{row['psnr_db']:7.1f} {row['peak_gb']:6.2f}",
                flush=True,
            )
    return rows


if __name__ == "__main__":
    main()
