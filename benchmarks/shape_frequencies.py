"""How the frequency of a family decides whether it learns distances: `python benchmarks/shape_frequencies.py ROWS`.

The families' own frequencies are those of pictures. A torus in space is fitted with these and with lower ones, for 120
steps of 4096 samples by SOAP with a cosine and the absolute error, and the overlap of the solids (IoU) is measured.
`--shape fandisk.obj` fits another solid, in the cases of CHOSEN. ROWS, a file of JSON lines, gets every fit as it ends;
fits that it has are not repeated. `--record NAME` writes it.
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


def wire(omega: float, scale: float) -> dict[str, Any]:
    return {"type": "wire", "activation": {"omega": omega, "scale": scale}}


def wire2d(omega: float, scale: float) -> dict[str, Any]:
    return {"type": "wire2d", "activation": {"omega": omega, "scale": scale, "branches": 2}}


def _xnet(d: float) -> dict[str, Any]:
    """Both terms peak at 1."""
    return {"type": "xnet", "activation": {"l1": 2 * d, "l2": round(d * d, 6), "d": d}}


def _filters(family: str, scale: float) -> dict[str, Any]:
    return {"type": family, "block": {"type": "filter", "form": family.removeprefix("mfn_"), "input_scale": scale}}


CASES: tuple[tuple[dict[str, Any], float], ...] = (
    *(({"type": "gauss", "activation": {"scale": s}}, 1e-3) for s in (30, 10, 3)),
    *(({"type": "rff", "encoding": {"sigma": s}}, 1e-3) for s in (10, 1)),
    ({"type": "rff", "encoding": {"sigma": 1}}, 3e-3),
    *(({"type": "spder", "activation": {"omega": s}}, 1e-3) for s in (30, 10)),
    *(({"type": "bw_relu", "activation": {"scale": s}}, 1e-3) for s in (9, 3)),
    *((wire(w, s), 1e-3) for w, s in ((10, 40), (10, 10), (10, 5), (10, 2), (5, 10), (5, 5), (5, 2), (3, 3))),
    (wire(5, 5), 3e-3),
    (wire(3, 3), 3e-3),
    *((wire2d(w, s), 3e-3) for w, s in ((10, 10), (3, 3))),
    *(({"type": "cam", "encoding": {"sigma": s}}, 1e-3) for s in (10, 1)),
    *(({"type": "relu_pe", "encoding": {"type": "frequency", "octaves": s}}, 3e-3) for s in (10, 6, 4)),
    *((_xnet(d), 1e-3) for d in (0.1, 0.5, 1.0)),
    *((_filters("mfn_gabor", s), 3e-3) for s in (256, 64, 32, 16)),
    *((_filters("mfn_fourier", s), 3e-3) for s in (256, 64, 32, 16)),
    *(({"type": "finer_pp", "activation": {"scale": s, "warp": w}}, 1e-3) for s, w in ((3, 10), (1, 5), (1, 2))),
    *(({"type": "ws_siren", "init": {"alpha": s}}, 3e-4) for s in (2.5, 1.25)),
)
"""Field and learning rate."""

CHOSEN = tuple(
    case
    for case in CASES
    if case[0] in (wire(3, 3), wire2d(3, 3), _xnet(0.5), _filters("mfn_gabor", 32), _filters("mfn_fourier", 32))
)
"""Numbers that won on the torus, and are compared on other shapes."""

TORUS = "analytic:torus"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--shape", default=TORUS)
    parser.add_argument("--only", default="", help="families, with commas; default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    rows = [json.loads(line) for line in words.rows.read_text().splitlines()] if words.rows.exists() else []
    signal = load_signal(words.shape)
    for field, lr in CASES if words.shape == TORUS else CHOSEN:
        fit = {**FIT, "lr": lr}
        if words.only and field["type"] not in words.only.split(","):
            continue
        if any((row["field"], row["fit"], row.get("shape", TORUS)) == (field, fit, signal.name) for row in rows):
            continue
        start = time.process_time()
        run = Run(signal, *resolve(signal, field, fit))
        quality = run.result(run.advance()).metrics[signal.headline]
        rows.append({"shape": signal.name, "field": field, "fit": fit, "iou": round(quality, 4)})
        rows[-1]["cpu_s"] = round(time.process_time() - start, 1)
        with words.rows.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{quality:.4f} {rows[-1]['cpu_s']:6.1f} s  {json.dumps(field)} {lr:g}", flush=True)
    if words.record:
        print(save(words.record, rows))


if __name__ == "__main__":
    main()
