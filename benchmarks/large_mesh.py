"""Very fine meshes of a fit: `python benchmarks/large_mesh.py armadillo.obj [--record large-mesh]`.

`inr fit` with its defaults (or `--model`), then `inr mesh -o m.ply` at each resolution in a new process. Rows have the
seconds on the clock, those of all threads together, the largest resident memory, and the size of the file.
The targets at 4096 are 120 s and 4 GB with two threads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from _inr import inr_json
from _record import save


def row_of(model: Path, resolution: int, folder: Path, remark: str) -> dict[str, Any]:
    """Measured by os.wait4 on the child, so that peaks of earlier children do not count."""
    out, log = folder / "m.ply", folder / "log.json"
    command = ["mesh", str(model), "-o", str(out), "--resolution", str(resolution), "--force", "--json"]
    before = os.times().elapsed
    pid = os.fork()
    if pid == 0:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
        os.execv(sys.executable, [sys.executable, "-m", "inr_cli", *command])
    _, status, usage = os.wait4(pid, 0)
    seconds = os.times().elapsed - before
    if status:
        raise SystemExit(f"inr {' '.join(command)} failed")
    made = json.loads(log.read_text())
    return {
        "model": model.stem,
        "resolution": resolution,
        "seconds": seconds,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_gb": usage.ru_maxrss * 1024 / 1e9,
        "file_gb": made["bytes"] / 1e9,
        **{k: made[k] for k in ("n_vertices", "n_faces", "is_closed", "n_components", "n_evaluated", "volume")},
        "remark": remark,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", type=Path, help="a mesh, or with --model its name only")
    parser.add_argument("--model", type=Path, help="a fit of it, instead of a new one")
    parser.add_argument("--resolutions", type=int, nargs="+", default=[1025, 2048, 4096])
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="inr-large-") as name:
        model = args.model or Path(name) / f"{args.shape.stem}.safetensors"
        if args.model is None:
            inr_json("fit", args.shape, "-o", model)
        for resolution in args.resolutions:
            rows.append(row_of(model, resolution, Path(name), args.remark))
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
            if args.record:
                save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
