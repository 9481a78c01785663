"""Whether the best learning rate holds for other widths: `python benchmarks/transfer.py`.

Fits of a picture of 64 x 64 at widths of 32 to 256 over a grid of rates, plain and with `fit.base_width=64`: Adam, a
constant rate, 3 hidden layers, 250 steps of 512 pixels, one seed; PSNR at the end. A fit that diverged counts as 0 dB.
Saved as the record `transfer`, two rows per family and width.

best_lr: of the grid. psnr_db: by rate. kept_db: PSNR at the rate that is best at the base width, less that at the best
rate. sharpness: at the end of a fit at that rate, the largest eigenvalue of the Gauss-Newton matrix of the loss on 96
pixels, 2 lambda_1 / M of the tangent kernel. adam_sharpness: the same with every parameter's gradient weighted by
rate / (sqrt(v) + eps), as Adam moves it; Adam without momentum is unstable above 2, with beta1 = 0.9 above 38 (Cohen et
al. 2022, arXiv:2207.14484). That sharpness does not depend on the width where rates transfer is the finding of Noci et
al. 2024, arXiv:2402.17457.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import torch
from _record import save
from ntk_speed import picture

from inr import ntk
from inr.fitting import Run, resolve

WIDTHS = (32, 64, 128, 256)
BASE = 64
STEPS = 250
SEEDS = (0,)
FAMILIES: dict[str, tuple[dict[str, Any], list[float]]] = {
    "siren": ({"type": "siren"}, [2.0**-k for k in range(12, 6, -1)]),
    "mlp": ({"type": "mlp"}, [2.0**-k for k in range(10, 4, -1)]),
}
"""By name: the field, and the grid of rates."""


def trained(family: str, width: int, base_width: int | None, lr: float, seed: int) -> tuple[Run, float]:
    """The run, and its PSNR in dB."""
    signal = picture(64, 64, 1)
    settings = {
        "steps": STEPS, "batch": 512, "lr": lr, "optimizer": "adam", "schedule": "constant", "dtype": "float32",
        "base_width": base_width, "seed": seed,
    }  # fmt: skip
    run = Run(signal, *resolve(signal, {**FAMILIES[family][0], "width": width, "depth": 3}, settings))
    outcome = run.advance()
    return run, 0.0 if outcome == "diverged" else run.result(outcome).metrics["psnr_db"]


def sharpness(run: Run) -> tuple[float, float]:
    """Plain, and as Adam moves parameters."""
    x = torch.rand((96, 2), generator=torch.Generator().manual_seed(0))
    rates = {id(p): float(group["lr"]) for group in run.optimizer.param_groups for p in group["params"]}
    seconds = {name: run.optimizer.state[p]["exp_avg_sq"] for name, p in run.field.named_parameters()}
    weights = ntk.adam_weights(seconds, step=run.step)
    moved = {name: rates[id(p)] * weights[name] for name, p in run.field.named_parameters()}
    found = []
    for each in (None, moved):
        matrix = ntk.tangent_kernel(run.field, x, method="contraction", weights=each).matrix
        found.append(2 * float(torch.linalg.eigvalsh(matrix)[-1]) / len(matrix))
    return found[0], found[1]


def row(family: str, width: int, base_width: int | None, base_lr: float | None) -> dict[str, Any]:
    """base_lr: the rate that is best at the base width; None: this is the base width."""
    start = time.perf_counter()
    grid = FAMILIES[family][1]
    found = {lr: [trained(family, width, base_width, lr, seed)[1] for seed in SEEDS] for lr in grid}
    psnr_db = {lr: sum(values) / len(values) for lr, values in found.items()}
    best = max(psnr_db, key=lambda lr: psnr_db[lr])
    chosen = best if base_lr is None else base_lr
    plain, adam = sharpness(trained(family, width, base_width, chosen, 0)[0])
    return {
        "family": family, "width": width, "base_width": base_width, "best_lr": best, "chosen_lr": chosen,
        "psnr_db": {f"2^{math.log2(lr):g}": value for lr, value in psnr_db.items()},
        "kept_db": psnr_db[chosen] - psnr_db[best], "sharpness": plain, "adam_sharpness": adam,
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    rows = []
    for family in FAMILIES:
        for base_width in (None, BASE):
            base_lr = None
            for width in sorted(WIDTHS, key=lambda width: (width != BASE, width)):
                rows.append(row(family, width, base_width, base_lr))
                base_lr = rows[-1]["chosen_lr"]
                print(rows[-1], flush=True)
    print(save("transfer", sorted(rows, key=lambda r: (r["family"], r["base_width"] or 0, r["width"]))))


if __name__ == "__main__":
    main()
