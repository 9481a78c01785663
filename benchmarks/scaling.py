"""Time to 40 dB and memory against the number of samples: python benchmarks/scaling.py FOLDER [--record scaling]

    python benchmarks/scaling.py photographs --sizes 0.4M 1.6M --ways default hashed
    python benchmarks/scaling.py recordings --kind sound --record scaling-sound
    python benchmarks/scaling.py . --kind volume --record scaling-volumes

Pictures are put together from the photographs (PNG) of 768 x 512 in FOLDER (`_mosaic.py`), sounds from its first
recording (WAV), played forwards and backwards at many speeds. Volumes are made by formulas: a smooth one, and noise
whose spectrum falls as that of photographs. Ways:

* default: `inr fit` with its defaults
* hashed: hashed levels from a random table (`field.init=xavier`), with batches that grow with the signal
* hashed, small batch: the same with batches of 16384 samples (sound: 8192), as the default was before
* torch: as `hashed`, with plain torch in place of our kernels

Each fit is a process of its own. Its time to the target goes from the loaded signal to the step at which the signal is
at the target, without the time of measuring it; compiled kernels come from the cache. Memory is the process's peak
(VmHWM), of which the signal's values, as floats, and the imports are given apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _mosaic import SIZES, mosaic
from _record import save

WAYS = ("default", "hashed", "hashed, small batch", "torch")
MOST_OF_TORCH = 2_000_000
"""Samples; more would take minutes per fit."""
MEASURED = 2**20
"""Samples that the quality is measured on, evenly spaced."""
SOUNDS = {"10 s": 10, "1 min": 60, "10 min": 600}
VOLUMES = {f"{side}^3 {look}": (side, look) for side in (64, 128, 256) for look in ("smooth", "textured")}


def write_picture(folder: Path, size: str, place: Path) -> Path:
    iio.imwrite(place / "signal.png", mosaic(folder, size))
    return place / "signal.png"


def write_sound(folder: Path, size: str, place: Path) -> Path:
    import soundfile

    samples, rate = soundfile.read(sorted(folder.glob("*.wav"))[0], always_2d=True)
    n, parts, at = SOUNDS[size] * rate, [], 0
    for i in itertools.count():
        speed = 0.8 + 0.4 * ((i * 0.618034) % 1)
        where = np.arange(0, len(samples) - 1, speed)
        part = np.stack([np.interp(where, np.arange(len(samples)), channel) for channel in samples.T], -1)
        parts.append(part if i % 2 == 0 else part[::-1])
        at += len(part)
        if at >= n:
            break
    soundfile.write(place / "signal.wav", np.concatenate(parts)[:n], rate)
    return place / "signal.wav"


def write_volume(folder: Path, size: str, place: Path) -> Path:
    side, look = VOLUMES[size]
    if look == "smooth":
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, side, dtype=np.float32)] * 3, indexing="ij")
        values = np.exp(-4 * (x * x + y * y + z * z)) + 0.5 * np.sin(6 * x) * np.cos(5 * y)
    else:
        low, last = np.fft.fftfreq(side) * side, np.fft.rfftfreq(side) * side
        radius = np.sqrt(low[:, None, None] ** 2 + low[None, :, None] ** 2 + last**2)
        radius[0, 0, 0] = 1
        noise = np.random.default_rng(0).standard_normal((side,) * 3)
        values = np.fft.irfftn(np.fft.rfftn(noise) * radius**-1.5, s=(side,) * 3, axes=(0, 1, 2))
    np.save(place / "signal.npy", values.astype(np.float32))
    return place / "signal.npy"


KINDS: dict[str, tuple[Sequence[str], Callable[[Path, str, Path], Path]]] = {
    "picture": (tuple(SIZES), write_picture),
    "sound": (tuple(SOUNDS), write_sound),
    "volume": (tuple(VOLUMES), write_volume),
}
"""By kind of signal: the sizes, and what writes a signal's file into a folder."""


def one(path: Path, size: str, way: str, target: float, limit_s: float) -> dict[str, Any]:
    """One fit of the signal in a file, in this process."""
    import contextlib

    import torch

    from inr.fitting import Run
    from inr.kernels import use_backend
    from inr.signals import load_signal
    from inr.workflows.fit import FitPlan

    signal = load_signal(path)
    n_samples = math.prod(signal.spec.shape or ())
    loaded = _memory("VmRSS")
    settings: dict[str, Any] = {}
    if way == "hashed, small batch":
        settings["batch"] = 8192 if signal.kind == "audio" else 16384

    def started(steps: int | None = None) -> Run:
        field = "hash_grid" if way == "default" else {"type": "hash_grid", "init": "xavier"}
        return FitPlan.of(signal, field, settings if steps is None else settings | {"steps": steps}).begin()

    pool = signal.pool(torch.Generator())
    seen = pool.batch(torch.arange(0, n_samples, max(1, n_samples // MEASURED)))
    wanted = signal.frame.from_field(seen.y).numpy()
    peak, step = signal.peak or 1.0, signal.value_step

    def quality(run: Run) -> float:
        with torch.no_grad():
            values = signal.frame.from_field(torch.cat([run.field(x) for x in torch.split(seen.x, 2**18)])).numpy()
        written = values if step is None else np.rint(np.clip(values, 0, 1) / step) * step
        mse = float(np.mean((written - wanted) ** 2, dtype=np.float64))
        return min(200.0, 20 * math.log10(peak) - 10 * math.log10(max(mse, 1e-30)))

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
            run.advance(should_stop=lambda until=until: run.step >= until)  # type: ignore[misc]  # a default binds the loop's value
            curve.append({"step": run.step, "seconds": start_s + run.seconds, "psnr_db": quality(run)})
    reached = [row["seconds"] for row in curve if row["psnr_db"] >= target]
    return {
        "size": size,
        "samples": n_samples,
        "way": way,
        "start_s": start_s,
        "start_db": curve[0]["psnr_db"],
        "target_db": target,
        "seconds_to_target": reached[0] if reached else None,
        "seconds": curve[-1]["seconds"],
        "psnr_db": curve[-1]["psnr_db"],
        "parameters_per_value": run.field.n_params / (n_samples * signal.spec.d_out),
        "batch": run.settings.batch,
        "loaded_gb": loaded,
        "peak_gb": _memory("VmHWM"),
        "signal_gb": 4e-9 * n_samples * signal.spec.d_out,
        "threads": torch.get_num_threads(),
        "curve": curve,
    }


def slope(rows: list[dict[str, Any]]) -> float:
    """Of log(seconds to the target) against log(samples), by least squares."""
    points = [(math.log(r["samples"]), math.log(r["seconds_to_target"])) for r in rows]
    mean_x, mean_y = (sum(p[i] for p in points) / len(points) for i in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def _memory(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    return 1024e-9 * int(next(line for line in text.splitlines() if line.startswith(field)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", default="picture", choices=KINDS)
    parser.add_argument("--sizes", nargs="+", metavar="SIZE", help="default: all of the kind")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, metavar="WAY")
    parser.add_argument("--target", type=float, default=40.0, help="PSNR in dB")
    parser.add_argument("--limit", type=float, default=600.0, metavar="S", help="seconds of training of a fit, at most")
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.folder, args.sizes[0], args.ways[0], args.target, args.limit)))
        return
    sizes, write = KINDS[args.kind]
    args.sizes = args.sizes or list(sizes)
    with tempfile.TemporaryDirectory() as place:
        rows = measured(args, write, Path(place))
    for way in args.ways:
        reached = [row for row in rows if row["way"] == way and row["seconds_to_target"] is not None]
        if len({row["samples"] for row in reached}) > 1:
            print(f"{way}: time to {args.target:g} dB grows as samples^{slope(reached):.2f}")
    if args.record:
        print(save(args.record, rows))


def measured(args: argparse.Namespace, write: Callable[[Path, str, Path], Path], place: Path) -> list[dict[str, Any]]:
    """A row for each size and way, printed as it comes. write: makes the signal's file in the folder `place`."""
    rows: list[dict[str, Any]] = []
    print(f"{'samples':>11} {'way':20} {'to target':>10} {'all steps':>10} {'start dB':>9} {'end dB':>7} {'GB':>6}")
    for size in args.sizes:
        path, n_samples = write(args.folder, size, place), 0
        for way in args.ways:
            if way == "torch" and n_samples > MOST_OF_TORCH:
                continue
            words = ["--one", "--sizes", size, "--ways", way, "--target", str(args.target), "--limit", str(args.limit)]
            done = subprocess.run(
                [sys.executable, __file__, str(path), *words], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{size:>11} {way:20} failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            row = json.loads(done.stdout)
            n_samples = row["samples"]
            rows.append(row)
            to_target = "-" if row["seconds_to_target"] is None else f"{row['seconds_to_target']:.2f} s"
            print(
                f"{row['samples']:11,} {way:20} {to_target:>10} {row['seconds']:8.1f} s {row['start_db']:9.1f} "
                f"{row['psnr_db']:7.1f} {row['peak_gb']:6.2f}",
                flush=True,
            )
    return rows


if __name__ == "__main__":
    main()
