"""Make the starting points of pyramids of effort 1, from photographs of scikit-image: `python assets/make_start.py`.

They are trained on squares of five photographs and of their halves, once for each of three qualities. No photograph of
the benchmarks is among them. Takes about five minutes; the file is part of the package.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from skimage import data
from torch import Generator

from inr.codec.profiles.pyramid.analysis import Analysis
from inr.codec.profiles.pyramid.architecture import N_GRIDS, QUICK, Architecture
from inr.codec.profiles.pyramid.latent_trainer import GAIN, RateController, Trainer
from inr.codec.profiles.pyramid.starting_point import FILE, StartingPoint, packed

SIDE, ROWS, COLUMNS, HALVES = 128, 4, 6, 9
RATE_WEIGHTS = (10**-2.1, 10**-3, 10**-3.9)  # of qualities 20, 50 and 80
SOFT, HARD = 1200, 120


def photographs() -> list[np.ndarray]:
    return [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.stereo_motorcycle()[0]]


def squares() -> torch.Tensor:  # [3, ROWS SIDE, COLUMNS SIDE]
    random, given, found = np.random.default_rng(0), photographs(), []
    for i in range(ROWS * COLUMNS):
        pixels = given[i % len(given)].astype(np.float32) / 255
        if i >= ROWS * COLUMNS - HALVES:
            h, w = (size // 2 for size in pixels.shape[:2])
            pixels = pixels[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).mean((1, 3))
        y, x = (random.integers(0, size - SIDE + 1) for size in pixels.shape[:2])
        square = pixels[y : y + SIDE, x : x + SIDE]
        found.append(square[:, ::-1] if i % 2 else square)
    rows = [np.concatenate(found[i : i + COLUMNS], 1) for i in range(0, len(found), COLUMNS)]
    return torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1).contiguous()


def point(picture: torch.Tensor, rate_weight: float) -> StartingPoint:
    architecture = Architecture(*picture.shape[1:], 3, N_GRIDS, *QUICK)
    trainer = Trainer(architecture, picture, RateController(rate_weight), Generator().manual_seed(0))
    trainer.soft(SOFT)
    trainer.hard(HARD)
    values = {name: value.detach() for name, value in trainer.values.items()}
    latents = [GAIN * x.detach() for x in trainer.latents]
    return StartingPoint(values, Analysis.fitted(architecture, values, picture, latents))


def main() -> None:
    picture = squares()
    made = packed([(weight, point(picture, weight)) for weight in RATE_WEIGHTS])
    found = importlib.util.find_spec("inr.codec.profiles.pyramid")
    assert found is not None
    assert found.origin is not None
    Path(found.origin).with_name(FILE).write_bytes(made)


if __name__ == "__main__":
    main()
