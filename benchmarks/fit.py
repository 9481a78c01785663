"""Quality reached with the defaults: `python benchmarks/fit.py FILE... [--record NAME]`.

Fits every file with `inr fit` as a user would (quality of the written file, seconds of fitting, of starting and of the
whole command), and meshes the shapes at 512 cells per side. With --record the rows are kept in benchmarks/records/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _inr import inr_json
from _record import save

INR = str(Path(sys.executable).parent / "inr")


def measure(path: Path, folder: Path, threads: list[str]) -> dict[str, Any]:
    model = str(folder / f"{path.stem}.safetensors")
    fitted, wall_s = inr_json("fit", str(path), "-o", model, *threads)
    row = {
        "file": path.name,
        "n_params": fitted["n_params"],
        "size_bytes": fitted["bytes"],
        "steps": fitted["steps"],
        "fit_s": fitted["seconds"],
        "startup_s": fitted["startup_seconds"],
        "compile_s": fitted["compile_seconds"],
        "wall_s": wall_s,
        **fitted["metrics"],
    }
    if "iou" in row:
        mesh, row["mesh_s"] = _mesh(model, folder)
        row |= {f"mesh_{key}": mesh[key] for key in ("n_vertices", "n_faces", "fraction_evaluated", "is_closed")}
    return row


def _mesh(model: str, folder: Path) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    words = ["mesh", model, "-o", str(folder / "mesh.ply"), "--resolution", "512", "--json", "--force"]
    done = subprocess.run([INR, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--threads", help="of the fits; default: torch's choice")
    options = parser.parse_args()
    threads = ["--threads", options.threads] if options.threads else []
    rows = []
    for path in options.files:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(path, Path(folder), threads))
        print(json.dumps(rows[-1]), flush=True)
        if options.record:
            save(options.record, rows)


if __name__ == "__main__":
    main()
