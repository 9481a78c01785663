"""How the frequency of a family decides whether it learns distances: `python benchmarks/shape_frequencies.py ROWS`.

The families' own frequencies are those of pictures. A torus in space is fitted with these and with lower ones, for 120
steps of 4096 samples by SOAP with a cosine and the absolute error, and the overlap of the solids (IoU) is measured.
ROWS, a file of JSON lines, gets every fit as it ends; fits that it has are not repeated. `--record NAME` writes it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from _record import save

from inr.fitting import Run, resolve
from inr.signals import load_signal

FIT = {"optimizer": "soap", "schedule": "cosine", "batch": 4096, "steps": 120, "loss": "l1"}
CASES: tuple[tuple[dict[str, Any], float], ...] = (
    *(({"type": "gauss", "activation": {"scale": s}}, 1e-3) for s in (30, 10, 3)),
    *(({"type": "rff", "encoding": {"sigma": s}}, 1e-3) for s in (10, 1)),
    ({"type": "rff", "encoding": {"sigma": 1}}, 3e-3),
    *(({"type": "spder", "activation": {"omega": s}}, 1e-3) for s in (30, 10)),
    *(({"type": "bw_relu", "activation": {"scale": s}}, 1e-3) for s in (9, 3)),
    *(({"type": "wire", "activation": {"omega": w, "scale": s}}, 1e-3) for w, s in ((10, 40), (5, 5), (5, 2))),
    *(({"type": "cam", "encoding": {"sigma": s}}, 1e-3) for s in (10, 1)),
    *(({"type": "relu_pe", "encoding": {"type": "frequency", "octaves": s}}, 3e-3) for s in (10, 6, 4)),
)
"""Field and learning rate."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    rows = [json.loads(line) for line in words.rows.read_text().splitlines()] if words.rows.exists() else []
    signal = load_signal("analytic:torus")
    for field, lr in CASES:
        fit = {**FIT, "lr": lr}
        if any((row["field"], row["fit"]) == (field, fit) for row in rows):
            continue
        start = time.process_time()
        run = Run(signal, *resolve(signal, field, fit))
        quality = run.result(run.advance()).metrics[signal.headline]
        rows.append({"field": field, "fit": fit, "iou": round(quality, 4), "cpu_s": time.process_time() - start})
        with words.rows.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{quality:.4f} {rows[-1]['cpu_s']:6.1f} s  {json.dumps(field)} {lr:g}", flush=True)
    if words.record:
        print(save(words.record, rows))


if __name__ == "__main__":
    main()
