"""Soft mining: where walkers go, and the weights of the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.fitting.samplers import SamplerState
from inr.fitting.samplers.soft_mining import SoftMining
from tests.fitting.samplers.oracle import Oracle, build, lattice
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

N = 500
STEPS = (0, 100, 599, 600, 601, 1000, 5000)


def _published_weights(error: Array) -> Array:
    """[STEPS, N] of errors |e|: (1 / max(|e|, eps of float16))^min(t / 1000, 0.6), in [0.2, mean + std]."""
    rows = []
    for step in STEPS:
        weight = (1 / np.maximum(error, 2.0**-10)) ** min(step / 1000, 0.6)
        rows.append(np.clip(weight, 0.2, weight.mean() + weight.std(ddof=1)))
    return np.array(rows)


def _errors() -> Array:
    return 0.01 + np.abs(np.random.default_rng(1).standard_normal(N)) ** 3


def _weights() -> Array:
    """Of a batch that is all samples of a lattice: its walkers are placed on one sample each."""
    sampler = SoftMining(uniform=0.0).build(lattice((N, 1)), N, Generator().manual_seed(0))
    oracle = Oracle(torch.from_numpy(_errors()).float())
    rows = []
    for step in STEPS:
        middles = (torch.arange(N) + 0.5) / N
        sampler.restore({"walkers": torch.stack([middles, torch.full((N,), 0.5)], dim=1)})
        weight = sampler.draw(oracle.look(step)).weight
        assert weight is not None
        rows.append(weight.numpy())
    return np.array(rows)


START = 0.3 + 0.4 * np.random.default_rng(2).random((N, 2))
SLOPES = np.random.default_rng(4).standard_normal((N, 2)) * 0.02


def _published_walk() -> Array:
    """x + 20 d/dx of the mean of losses / loss: (1 / N) grad log loss, per unit of coordinates on [-1, 1]."""
    loss = _errors()[:, None]
    slope = SLOPES / 2  # SLOPES are per unit of [0, 1]
    weight = _published_weights(_errors())[5][:, None]  # of step 1000
    return np.asarray(START + 20 * (weight * slope / N) / (weight * loss + 1.2e-7))


def _walk() -> Array:
    config = SoftMining(uniform=0.0, noise=0.0, restart=0.0)
    sampler = config.build(lattice((64, 64)), N, Generator().manual_seed(0))
    sampler.restore({"walkers": torch.from_numpy(START).float()})

    def gradients(index: Tensor) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(_errors()).float(), torch.from_numpy(SLOPES).float()

    sampler.draw(SamplerState(1000, 0.5, lambda index: torch.zeros(len(index), 1), gradients))
    return sampler.state()["walkers"].numpy()


SOURCE = "ubc-vision/nf-soft-mining, and its port in zwx-open/EVOS-INR"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="soft_mining: weights",
        source=SOURCE,
        published=lambda: _published_weights(_errors()),
        here=_weights,
        tolerance=1e-5,
    ),
    PublishedFormula(name="soft_mining: drift", source=SOURCE, published=_published_walk, here=_walk, tolerance=1e-5),
    PublishedMethod(
        name="soft_mining",
        source=SOURCE,
        here=SoftMining(),
        settings={"pull": 20, "noise": 0.02, "uniform": 0.1, "restart": 0.1, "alpha": 0.6, "warmup": 1000},
        told={
            "unit of the gradients": "The paper (NeRF): gradients per pixel",
            "error of several channels": "The paper: |error| is the mean of absolute errors over channels",
            "borders of Sobel gradients": "The paper: zeros outside the picture for Sobel gradients",
            "cost": "The paper: gradients of the training step",
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def test_edges_are_found_for_every_order_of_axes(generator: Generator) -> None:
    """Walkers that all restart are on the edge, in coordinates."""
    samples = lattice((32, 32), (torch.arange(32) >= 16).float().expand(32, 32).flatten(), (1, 0))
    sampler = build({"type": "soft_mining", "restart": 1.0, "uniform": 0.0}, samples, 200, generator)
    oracle = Oracle(torch.ones(1024))
    sampler.draw(oracle.look(0))
    index = sampler.draw(oracle.look(1)).index
    assert ((index % 32 - 15.5).abs() <= 1).all()


def test_soft_mining_follows_the_gradient_of_the_error(generator: Generator) -> None:
    samples = lattice((50, 40), order=(1, 0))
    sampler = build({"type": "soft_mining", "noise": 0.0, "restart": 0.0, "uniform": 0.0}, samples, 100, generator)

    def gradients(index: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(len(index)), torch.tensor([0.5, 0.0]).expand(len(index), 2)

    look = SamplerState(0, 0.0, lambda index: torch.zeros(len(index), 1), gradients)
    walkers = sampler.state()["walkers"].clone()
    draw = sampler.draw(look)
    x = torch.minimum((walkers * torch.tensor([50, 40])).long(), torch.tensor([49, 39]))
    assert draw.index.tolist() == sorted((x[:, 1] * 50 + x[:, 0]).tolist())
    expected = walkers + torch.tensor([20 * (0.5 / 2) / 100, 0.0])  # half: per unit of [-1, 1]
    stays = expected[:, 0] < 1
    torch.testing.assert_close(sampler.state()["walkers"][stays], expected[stays])
    assert ((sampler.state()["walkers"] >= 0) & (sampler.state()["walkers"] < 1)).all()


def test_the_drift_does_not_shrink_with_the_error() -> None:
    moved = []
    for scale in (1.0, 1e-4):
        config = SoftMining(uniform=0.0, noise=0.0, restart=0.0)
        sampler = config.build(lattice((64, 64)), 50, Generator().manual_seed(0))

        def gradients(index: Tensor, scale: float = scale) -> tuple[Tensor, Tensor]:
            return torch.full((len(index),), scale), torch.full((len(index), 2), 0.1 * scale)

        before = sampler.state()["walkers"].clone()
        sampler.draw(SamplerState(0, 0.0, lambda index: torch.zeros(len(index), 1), gradients))
        moved.append(float((sampler.state()["walkers"] - before).median()))
    assert moved[1] == pytest.approx(moved[0], rel=0.01)
