"""Training a pyramid on a small picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Generator, Tensor

from inr.codec.profiles.pyramid import latent_trainer
from inr.codec.profiles.pyramid.architecture import Architecture, architecture_of
from inr.codec.profiles.pyramid.distortion import squared
from inr.codec.profiles.pyramid.latent_trainer import (
    FROM_START,
    HARD_SHARED,
    SHARED,
    Pace,
    RateController,
    Trainer,
    latent_betas,
)
from inr.codec.profiles.pyramid.network import error, rate
from inr.kernels.row_share import ALL, RowShare
from tests.codec.profiles.pyramid.pictures import picture, tensor


def test_training_finds_a_better_picture_than_a_flat_one(trained: Trainer) -> None:
    with torch.no_grad():
        mse = float(error(trained.architecture, trained.values, trained.grids(), trained.target))
    flat = float(trained.target.var(dim=(1, 2), unbiased=False).mean())
    assert mse < 0.05 * flat


def test_networks_that_make_the_loss_much_worse_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a learning rate a thousand times too large."""
    architecture = architecture_of(3, 40, 56, effort=1, expected_bytes=500)
    target = tensor(picture())

    def error_after(steps: int) -> float:
        trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0))
        trainer.keep_pace(Pace(network_rate=30.0))
        trainer.soft(steps)
        with torch.no_grad():
            return float(error(architecture, trainer.values, trainer.grids(), target))

    flat = float(target.var(dim=(1, 2), unbiased=False).mean())
    assert error_after(150) < 0.5 * flat
    monkeypatch.setattr(latent_trainer, "RISE", 1e30)
    assert not error_after(150) < 5 * flat


def test_networks_learn_from_all_rows_in_turn_but_in_brief_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_trainer, "BRIEF", 8)
    seen: list[RowShare] = []

    def seen_by(
        architecture: Architecture,
        values: Mapping[str, Tensor],
        grids: Sequence[Tensor],
        target: Tensor,
        share: RowShare = ALL,
    ) -> tuple[Tensor, float]:
        seen.append(share)
        return squared(architecture, values, grids, target, share)

    architecture = architecture_of(3, 16, 16, effort=1, expected_bytes=500)
    target = torch.full((3, 16, 16), 0.5)
    trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0), distortion=seen_by)
    trainer.soft(8)
    trainer.hard(8)
    assert {share.every for share in seen[:8]} == {SHARED}
    assert {share.every for share in seen[8:]} == {HARD_SHARED}
    turns = [[share.turn % share.every for share in part] for part in (seen[:8], seen[8:])]
    assert all(a != b for part in turns for a, b in pairwise(part))
    assert [set(part) for part in turns] == [set(range(SHARED)), set(range(HARD_SHARED))]
    seen.clear()
    trainer.soft(7)
    assert seen == [ALL] * 7
    trainer.keep_pace(FROM_START)
    trainer.soft(7)
    assert {share.every for share in seen[7:]} == {FROM_START.shared}


def test_long_runs_end_with_a_longer_memory() -> None:
    assert latent_betas(0.5, 99) == (0.6, 0.9)
    assert latent_betas(1.0, 1000) == (0.8, 0.97)
    assert latent_betas(0.0, 10000) == pytest.approx((0.8, 0.97))
    assert latent_betas(1.0, 10000) == pytest.approx((0.8, 0.999))


def test_all_trained_tensors_are_on_the_device_of_the_target() -> None:
    """On the device `meta`, which has no values: an operation with a tensor on another device would fail."""
    architecture = architecture_of(3, 40, 56, effort=1, expected_bytes=500)
    target = tensor(picture())
    trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0))
    trainer.target, trainer.networks = target.to("meta"), trainer.networks.to("meta")
    trainer.latents = [x.detach().to("meta").requires_grad_() for x in trainer.latents]
    grids = trainer.noisy_grids(0.3, 0.2)
    found = rate(architecture, trainer.values, grids) + error(architecture, trainer.values, grids, trainer.target)
    assert found.device.type == "meta"
    assert {by.device.type for by in torch.autograd.grad(found, [*trainer.latents, *trainer.values.values()])} == {
        "meta"
    }
