"""Coordinate-aware modulation: statements of the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.fields.cam import Cam
from tests.fields.formulas import fourier_features, relu, torch_default
from tests.published import AnyValues, Array, Normal, Parameters, PublishedFamily, check, linear

PICTURE = Spec("image", 2, 3, (256, 256))


def _bilinear(grid: Array, x: Array) -> Array:
    """Values [N, 2] of a grid [n, n, 2] whose outermost vertices are at 0 and 1."""
    at = x * (np.array(grid.shape[:2]) - 1)
    low = np.minimum(at.astype(int), np.array(grid.shape[:2]) - 2)
    (i, j), (a, b) = low.T, (at - low).T[..., None]
    below, above = ((1 - b) * grid[i + k, j] + b * grid[i + k, j + 1] for k in (0, 1))
    return np.asarray((1 - a) * below + a * above)


def _forward(p: Parameters, x: Array) -> Array:
    """relu(gamma(x) norm(W h + b) + beta(x)) in three layers; the sigmoid in [0, 1], on our [-1, 1]."""
    h = fourier_features(p, x)
    for layer in range(3):
        z = linear(p, f"body.blocks.{layer}.linear", h)
        norm = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        gamma, beta = np.split(_bilinear(p[f"body.blocks.{layer}.modulation.grid"], x), 2, axis=-1)
        h = relu(gamma * norm + beta)
    return np.asarray(2 / (1 + np.exp(-linear(p, "body.last", h))) - 1)


PUBLISHED = (
    PublishedFamily(
        config=Cam(),
        source="maincold2/CAM CAM_image.py",
        spec=PICTURE,
        small=("width=16", "encoding.n_frequencies=8", "encoding.sigma=1", "block.vertices=5"),
        forward=_forward,
        initial={
            "body.encoding.frequencies": Normal(10),
            "body.blocks.0.linear.*": torch_default(512),
            "*.linear.*": torch_default(256),
            "body.last.*": torch_default(256),
            "*.grid": AnyValues(),  # see below
        },
        settings={
            "field.encoding": "random_fourier",
            "field.encoding.n_frequencies": 256,
            "field.width": 256,
            "field.depth": 3,
            "field.activation": "relu",
            "field.block.vertices": 32,
            "field.block.has_norm": True,
            "field.head": "sigmoid",
            "fit.optimizer": "adam",
            "fit.lr": 1e-3,
            "fit.lr_encoding": 1e-2,
            "fit.schedule": "step",
            "fit.schedule.at": [0.5, 0.75],
            "fit.schedule.decay": 0.1,
            "fit.batch": 256 * 256,
            "fit.steps": 2000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_modulation_starts_at_factor_1_and_shift_0(generator: torch.Generator) -> None:
    field = Cam().resolve(PICTURE).build(PICTURE, generator)
    grids = [tensor for name, tensor in field.state_dict().items() if name.endswith("grid")]
    assert len(grids) == 3
    for grid in grids:
        assert torch.equal(grid, torch.tensor([1.0, 0.0]).expand(32, 32, 2))
