"""Large signals: the time and peak memory of each command, and of each stage of a picture larger than memory.

    python benchmarks/large.py commands IMAGES --save           # 24 M pixels, 10 and 60 minutes of sound, 256^3 values
    python benchmarks/large.py compress IMAGES --save           # effort 1: each photograph, and 24 M pixels
    python benchmarks/large.py tiles                            # 40 000 x 30 000 pixels, 3.6 GB, in $TMPDIR
    python benchmarks/large.py tiles --columns 8000 --rows 6000 --form tif --steps 100 --save

`commands`: each runs in a process of its own, with few steps; an interrupt ends them early. IMAGES has photographs of
768 x 512, of which the picture is put together (`_mosaic.py`); sounds and volumes are made here. Peak memory is the
process's, with everything that it imports: the first rows are of small pictures.

`tiles`: the picture is smooth waves, edges and fine texture by a formula; it is made, fitted, measured and rendered
tile by tile. Peak memory is the process's (VmHWM), reset before each stage; the value after imports is given first, and
parameters with their moments take 16 bytes each.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import torch
from _mosaic import mosaic
from _record import save

from inr.fitting import Fit, Run, resolve
from inr.signals import load_signal
from inr.signals.audio import Audio
from inr.signals.files.bands import Bands
from inr.signals.image import Image
from inr.signals.tiled.signal import Tiled

BAND = 256
RATE_HZ = 44_100


def bands(rows: int, columns: int) -> Iterator[np.ndarray]:
    """Rows of the picture [<= 256, columns, 3], values in [0, 1]."""
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns
    for first in range(0, rows, BAND):
        y = ((np.arange(first, min(first + BAND, rows), dtype=np.float32) + 0.5) / rows)[:, None]
        smooth = 0.5 + 0.3 * np.sin(9 * x + 4 * y) * np.cos(7 * y)
        edge = 0.15 * np.sign(np.sin(60 * x) * np.sin(45 * y))
        fine = 0.05 * np.sin(4000 * x * y)
        yield np.clip(np.stack([smooth + edge, smooth - edge + fine, smooth * np.ones_like(y) + fine], -1), 0, 1)


def memory(field: str) -> int:
    """A row of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in text.splitlines() if line.startswith(field)).split()[1])


def measured(rows: list[dict[str, Any]], stage: str, work: Callable[[], Any]) -> Any:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM restarts at the current use
    start = time.perf_counter()
    result = work()
    seconds, peak = time.perf_counter() - start, memory("VmHWM")
    rows.append({"stage": stage, "seconds": seconds, "peak_bytes": peak})
    print(f"{stage:10s} {seconds:8.1f} s   peak {peak / 1e9:.2f} GB", flush=True)
    return result


def commands(folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(signal, its number of values, words of `inr`) of each command, in order. The files are made on the way."""
    few, some = ("--steps", "30"), ("--steps", "5")
    iio.imwrite("small.png", mosaic(folder, "0.4M"))
    yield "imports", 0, ["fit", "small.png", *few]
    yield "imports", 0, ["render", "small.safetensors", "--size", "64x64", "-o", "tiny.png"]
    huge = ["render", "small.safetensors", "--size", "12000x8000", "-o", "huge.png"]
    yield "12000 x 8000 pixels", 288_000_000, huge
    iio.imwrite("large.png", mosaic(folder, "24M"))
    yield from _of("24 M pixels", 3 * 3840 * 6144, "large.png", few, ("png", "npy"), ("onnx", "html"))
    for minutes in (10, 60):
        shape = (60 * minutes * RATE_HZ, 2)
        with Path("long.wav").open("w+b") as file:
            Audio.write_bands(Bands(shape, sound(shape[0])), {"rate_hz": RATE_HZ, "subtype": "PCM_16"}, file, ".wav")
        measured = () if minutes == 10 else ("--set", "signal.measure=32")
        formats = ("wav", "ogg") if minutes == 10 else ("wav",)
        yield from _of(f"{minutes} min of sound", 2 * shape[0], "long.wav", some, formats, (), measured)
    np.save("volume.npy", volume(256))
    yield from _of("256^3 values", 256**3, "volume.npy", some, ("npy",))


def compressions(folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    """As `commands`: each photograph, and the large picture made of them, by the lowest effort."""
    iio.imwrite("large.png", mosaic(folder, "24M"))
    for path in sorted(folder.glob("*.png")):
        shutil.copy(path, path.name)
        yield path.stem, 3 * 512 * 768, ["compress", path.name, "--effort", "1"]
    yield "24 M pixels", 3 * 3840 * 6144, ["compress", "large.png", "--effort", "1"]


def _of(
    signal: str,
    n: int,
    file: str,
    steps: tuple[str, ...],
    formats: tuple[str, ...],
    exports: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
) -> Iterator[tuple[str, int, list[str]]]:
    model = str(Path(file).with_suffix(".safetensors"))
    yield signal, n, ["fit", file, *steps, *options]
    yield signal, n, ["eval", model, file, *options]
    part = ("--crop", "1800,600") if options else ()
    for suffix in formats:
        yield signal, n, ["render", model, *part, "-o", f"out.{suffix}"]
    if not options:
        yield signal, n, ["report", model, "--signal", file, "-o", "report.html"]
    for suffix in exports:
        yield signal, n, ["export", model, "-o", f"out.{suffix}"]


def sound(n: int) -> Iterator[np.ndarray]:
    """Stereo of n samples in parts [<= 2^20, 2]: tones that change every half second, and noise."""
    generator = np.random.default_rng(0)
    for first in range(0, n, 2**20):
        t = np.arange(first, min(first + 2**20, n)) / RATE_HZ
        hertz = 110 * 2 ** ((np.floor(2 * t) * 7 % 36) / 12)
        decay = np.exp(-3 * (2 * t % 1))
        tone = 0.3 * decay * (np.sin(2 * np.pi * hertz * t) + 0.4 * np.sin(4 * np.pi * hertz * t))
        yield (np.stack([tone, 0.7 * tone], -1) + generator.normal(0, 0.003, (len(t), 2))).astype(np.float32)


def volume(n: int) -> np.ndarray:
    """Waves [n, n, n]."""
    g = (np.arange(n, dtype=np.float32) + 0.5) / n
    x, y, z = g[:, None, None], g[:, None], g
    return np.sin(9 * x + 4 * y) * np.cos(7 * z) + 0.3 * np.sin(60 * x * y + 20 * z)


GIVEN = {"commands": commands, "compress": compressions}
"""The parts that run commands."""


def run_commands(given: Iterator[tuple[str, int, list[str]]], found: list[dict[str, Any]], remark: str) -> None:
    """Run all of them, and append a row for each to `found`."""
    for signal, n, words in given:
        start = time.perf_counter()
        own = ["--quiet"] if words[0] == "eval" else ["--quiet", "--force"]
        child = subprocess.Popen([sys.executable, "-m", "inr_cli", *words, *own], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"inr {' '.join(words)} failed")
        row: dict[str, Any] = {
            "signal": signal,
            "values": n,
            "command": " ".join(words),
            "seconds": seconds,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_bytes": 1024 * used.ru_maxrss,
            "remark": remark,
        }
        found.append(row)
        print(f"{signal:20s} {row['peak_bytes'] / 1e9:5.2f} GB {seconds:6.1f} s  {row['command']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parsers = parser.add_subparsers(dest="part", required=True)
    of_commands = parsers.add_parser("commands")
    of_compress = parsers.add_parser("compress")
    for each in (of_commands, of_compress):
        each.add_argument("images", type=Path)
        each.add_argument("--remark", default="", help="kept in every row of the record")
    of_tiles = parsers.add_parser("tiles")
    of_tiles.add_argument("--columns", type=int, default=40_000)
    of_tiles.add_argument("--rows", type=int, default=30_000)
    of_tiles.add_argument("--form", choices=("npy", "tif"), default="npy")
    of_tiles.add_argument("--field", default="hash_grid")
    of_tiles.add_argument("--steps", type=int, default=200)
    of_tiles.add_argument("--measure", type=int, default=64, help="tiles that metrics are of")
    of_tiles.add_argument("--render", action="store_true", help="also render it whole to disk")
    for each in (of_commands, of_compress, of_tiles):
        each.add_argument("--save", action="store_true", help="write a record")
    args = parser.parse_args()
    if args.part in GIVEN:
        images = args.images.absolute()
        found: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.suppress(KeyboardInterrupt):
            run_commands(GIVEN[args.part](images), found, args.remark)
        if args.save:
            print(save(f"large-{args.part}", found))
        return
    found = in_tiles(args)
    if args.save:
        print(save("large", found))


def in_tiles(args: argparse.Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"stage": "imports", "peak_bytes": memory("VmHWM")}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"large.{args.form}"
        shape = (args.rows, args.columns, 3)
        meta = {"dtype": "uint8", "channels": 3, "icc": None}
        measured(found, "make", lambda: written(Bands(shape, bands(args.rows, args.columns)), meta, path))
        options = {"read": "tiles", "measure": str(args.measure)}
        signal = measured(found, "open", lambda: load_signal(path, "image", options))
        assert isinstance(signal, Tiled)
        run = measured(found, "start", lambda: Run(signal, *resolve(signal, args.field, {"steps": args.steps})))
        measured(found, "fit", run.advance)
        fit: Fit = measured(found, "measure", lambda: run.result("done"))
        if args.render:
            measured(found, "render", lambda: written(*fit.bands(), path.with_name(f"rendered.{args.form}")))
        found[-1] |= {
            "columns": args.columns,
            "rows": args.rows,
            "form": args.form,
            "file_bytes": path.stat().st_size,
            "stated_peak_bytes": signal.peak_bytes,
            "tiles": len(signal.tiles),
            "tile_reads": signal.tiles.n_reads,
            "field": args.field,
            "n_params": fit.field.n_params,
            "steps": fit.steps,
            "batch": fit.settings.batch,
            "threads": torch.get_num_threads(),
            "metrics": dict(fit.metrics),
        }
    print(found[-1])
    return found


def written(values: Bands, meta: Mapping[str, Any], path: Path) -> None:
    with path.open("w+b") as file:
        Image.write_bands(values, meta, file, path.suffix)


if __name__ == "__main__":
    main()
