"""What following the tangent kernel costs a fit: `python benchmarks/tracked.py SIGNAL ... [--record tracked]`.

Each signal is fitted by `inr fit` with and without `--track-ntk`, in turns. Rows: seconds of fitting (which leave out
start, compilation and the looks at the kernel), of the looks, and of the whole command; `ratio` is the median over the
pairs of (fitting + looks) over fitting without; `whole_ratio` that of the whole commands.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from _inr import inr_json
from _record import save


def measured(path: Path, field: str, steps: int, pairs: int) -> dict[str, Any]:
    plain, tracked = [], []
    with tempfile.TemporaryDirectory() as folder:
        out = ("-o", str(Path(folder) / "model.safetensors"), "--force")
        words = ("fit", str(path), "--field", field, "--steps", str(steps), *out)
        for _ in range(pairs):
            plain.append(inr_json(*words))
            tracked.append(inr_json(*words, "--track-ntk"))
    looks = [found["track_seconds"] for found, _ in tracked]
    spent = [found["seconds"] + found["track_seconds"] for found, _ in tracked]
    return {
        "file": path.name,
        "field": field,
        "steps": steps,
        "fit_s": median(found["seconds"] for found, _ in plain),
        "tracked_fit_s": median(found["seconds"] for found, _ in tracked),
        "looks_s": median(looks),
        "wall_s": median(wall for _, wall in plain),
        "tracked_wall_s": median(wall for _, wall in tracked),
        "ratio": median(t / found["seconds"] for t, (found, _) in zip(spent, plain, strict=True)),
        "whole_ratio": median(b / a for (_, a), (_, b) in zip(plain, tracked, strict=True)),
        "same_metrics": all(a["metrics"] == b["metrics"] for (a, _), (b, _) in zip(plain, tracked, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", type=Path, nargs="+")
    parser.add_argument("--fields", default="siren,hash_grid", help="with commas")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--record", help="keep the rows under this name")
    given = parser.parse_args()
    rows = []
    for path in given.signals:
        for field in given.fields.split(","):
            rows.append(measured(path, field, given.steps, given.pairs))
            print(rows[-1], flush=True)
    if given.record:
        print(save(given.record, rows))


if __name__ == "__main__":
    main()
