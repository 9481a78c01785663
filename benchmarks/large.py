"""A picture larger than memory: made, fitted, measured and rendered tile by tile, with the peak memory of each stage.

    python benchmarks/large.py                                  # 40 000 x 30 000 pixels, 3.6 GB, in $TMPDIR
    python benchmarks/large.py --columns 8000 --rows 6000 --form tif --steps 100 --save

The picture is smooth waves, edges and fine texture by a formula. Peak memory is the process's (VmHWM), reset before
each stage; the value after imports is given first, and parameters with their moments take 16 bytes each.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import save

from inr.fitting import Run, resolve
from inr.signals import SIGNALS, load_signal
from inr.signals.tiled.signal import Tiled

BAND = 256


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
    row = {"stage": stage, "seconds": time.perf_counter() - start, "peak_bytes": memory("VmHWM")}
    rows.append(row)
    print(f"{stage:10s} {row['seconds']:8.1f} s   peak {row['peak_bytes'] / 1e9:.2f} GB", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=40_000)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--form", choices=("npy", "tif"), default="npy")
    parser.add_argument("--field", default="hash_grid")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--measure", type=int, default=64, help="tiles that metrics are of")
    parser.add_argument("--render", action="store_true", help="also render it whole to disk")
    parser.add_argument("--save", action="store_true", help="write a record")
    args = parser.parse_args()
    found: list[dict[str, Any]] = [{"stage": "imports", "peak_bytes": memory("VmHWM")}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"large.{args.form}"
        shape = (args.rows, args.columns, 3)
        writer = SIGNALS["image"].part_writers.get(path.suffix)
        assert writer is not None
        meta = {"dtype": "uint8", "channels": 3, "icc": None}
        measured(found, "make", lambda: writer(bands(args.rows, args.columns), shape, meta, path))
        options = {"read": "tiles", "measure": str(args.measure)}
        signal = measured(found, "open", lambda: load_signal(path, "image", options))
        assert isinstance(signal, Tiled)
        run = measured(found, "start", lambda: Run(signal, *resolve(signal, args.field, {"steps": args.steps})))
        measured(found, "fit", run.advance)
        fit = measured(found, "measure", lambda: run.result("done"))
        if args.render:
            parts, _, meta = fit.parts()
            measured(found, "render", lambda: writer(parts, shape, meta, path.with_name(f"rendered.{args.form}")))
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
    if args.save:
        print(save("large", found))


if __name__ == "__main__":
    main()
