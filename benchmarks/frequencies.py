"""How the frequency of a family decides what it learns of pictures and sounds in a short time.

    python benchmarks/frequencies.py kodim07.png [--seconds 20] [--only gauss,wire] [--record frequencies]

Each case, a field and the settings of its fit, is fitted for the same seconds of processor time of one thread.
Pictures are cut to the 256 x 256 pixels in their middle (--crop), sounds to two seconds. `shape_frequencies.py` does
the same for distances.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from _record import newest_rows, save
from quality import reduced
from shape_frequencies import wire, wire2d

from inr.core.config import parse
from inr.fields import FieldConfig
from inr.workflows.compare import FitBudget, compare

SOAP = {"optimizer": "soap", "lr": 1e-3, "schedule": "cosine", "batch": 4096}
FASTER_SOAP = {**SOAP, "lr": 3e-3}
ADAM = {"optimizer": "adam", "lr": 5e-3, "schedule": "cosine", "batch": 4096}

CASES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    *(({"type": "gauss", "activation": {"scale": s}}, SOAP) for s in (30, 20, 14, 10, 5)),
    *(({"type": "gauss", "activation": {"scale": s}}, ADAM) for s in (30, 10)),
    *(
        (wire(omega, scale), SOAP)
        for omega, scale in ((20, 30), (20, 10), (10, 20), (10, 10), (10, 6), (6, 10), (8, 8))
    ),
    *((wire(omega, scale), ADAM) for omega, scale in ((20, 30), (20, 10), (10, 10))),
    *((wire2d(omega, scale), SOAP) for omega, scale in ((20, 30), (10, 10), (8, 8))),
    *(({"type": "bw_relu", "activation": {"scale": c}}, SOAP) for c in (9, 3)),
    *(({"type": "siren", "activation": {"omega_first": w}}, {}) for w in (30, 60, 90, 130)),
)
"""Fields and settings of their fits."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each fit")
    parser.add_argument("--crop", type=int, default=256, help="pixels of a side of the part of a picture")
    parser.add_argument("--only", default="", help="families, with commas; default: all")
    parser.add_argument("--record", help="keep the rows under this name, with those of its newest record")
    words = parser.parse_args()
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # the clock of fits
    rows = newest_rows(words.record) if words.record else []
    with tempfile.TemporaryDirectory() as folder:
        for path in words.files:
            signal = reduced(path, Path(folder), words.crop)
            for field, fit in CASES:
                key = {"file": signal.name, "field": field, "fit": fit, "seconds": words.seconds}
                if words.crop != 256:
                    key["crop"] = words.crop
                if words.only and field["type"] not in words.only.split(","):
                    continue
                if any(key == {name: row.get(name) for name in key} for row in rows):
                    continue
                config = parse(FieldConfig, field, "field")
                result = compare(signal, [config], FitBudget(time_s=words.seconds), {"seed": 0, **fit}, measurements=1)
                (entry,) = result.entries
                rows.append({**key, "quality": round(result.quality(entry), 2), "steps": entry.fit.steps})
                print(
                    f"{rows[-1]['quality']:6.2f} dB {entry.fit.steps:5d} steps  {json.dumps(field)} {fit}", flush=True
                )
                if words.record:
                    save(words.record, rows)


if __name__ == "__main__":
    main()
