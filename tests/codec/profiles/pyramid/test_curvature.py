"""Curvature of a pyramid's loss: against gradients of the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.codec.profiles.pyramid import curvature
from inr.codec.profiles.pyramid.architecture import synthesis_of
from inr.codec.profiles.pyramid.curvature import error_curvature, rate_curvature
from inr.codec.profiles.pyramid.latent_trainer import Trainer
from inr.codec.profiles.pyramid.network import rate
from inr.kernels.pyramid_error import reference


def values_of(trained: Trainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trained.values.items()}


def test_slopes_of_the_numbers_add_up_to_that_of_the_rate(trained: Trainer) -> None:
    architecture, grids, values = trained.architecture, trained.grids(), values_of(trained)
    total = torch.zeros(sum(values[name].numel() for name in architecture.context))
    bits = 0.0
    for level in range(architecture.n_grids):
        model = curvature.ContextAt(architecture, values, grids, level)
        bits += float(model.all_bits().sum())
        total += model.slopes(torch.arange(grids[level].numel())).sum(0)
    leaves = {name: values[name].requires_grad_() for name in architecture.context}
    found = rate(architecture, values, grids)
    slope = torch.cat([part.reshape(-1) for part in torch.autograd.grad(found, list(leaves.values()))])
    assert bits == pytest.approx(float(found.detach()), rel=1e-3)
    assert float((total - slope).norm()) < 1e-2 * float(slope.norm()) + 1e-2


def test_a_sample_of_all_numbers_gives_the_fisher_information(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, grids, values = trained.architecture, trained.grids(), values_of(trained)
    monkeypatch.setattr(curvature, "NUMBERS", 1e9)
    found = rate_curvature(architecture, values, grids, Generator().manual_seed(0))
    slopes = torch.cat(
        [
            curvature.ContextAt(architecture, values, grids, level).slopes(torch.arange(grids[level].numel()))
            for level in range(architecture.n_grids)
        ]
    ).double()
    expected = np.log(2) * (slopes.T @ slopes).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_patches_show_what_the_picture_shows_there(trained: Trainer) -> None:
    architecture, grids, values = trained.architecture, trained.grids(), values_of(trained)
    patches = curvature.Patches(architecture, Generator().manual_seed(0))
    kernels, weights, biases, skip = synthesis_of(architecture, values)
    picture = reference.picture(grids, kernels, weights, biases, skip)
    shown = patches.shown(patches.cut(grids, values), values).reshape(patches.count, 3, curvature.SIDE, curvature.SIDE)
    margin = architecture.n_convolutions
    found = 0
    for y, x, own in zip(patches.y[:, 0, 0].tolist(), patches.x[:, 0, 0].tolist(), shown, strict=True):
        inside = picture[:, y : y + curvature.SIDE, x : x + curvature.SIDE]
        if margin <= y < picture.shape[1] - 2 * curvature.SIDE and margin <= x < picture.shape[2] - 2 * curvature.SIDE:
            torch.testing.assert_close(own, inside, rtol=1e-4, atol=1e-4)
            found += 1
    assert found > 10


def test_curvature_of_the_error_is_that_of_the_derivatives_of_the_picture(trained: Trainer) -> None:
    architecture, grids, values = trained.architecture, trained.grids(), values_of(trained)
    found = error_curvature(architecture, values, grids, trained.target, Generator().manual_seed(0))

    def picture(own: dict[str, Tensor]) -> Tensor:
        kernels, weights, biases, skip = synthesis_of(architecture, own)
        return reference.picture(grids, kernels, weights, biases, skip)

    generator = Generator().manual_seed(1)
    for name in architecture.synthesis:
        change = {n: torch.zeros_like(values[n]) for n in architecture.synthesis}
        change[name] = torch.randn(values[name].shape, generator=generator)
        own = {n: values[n] for n in architecture.synthesis}
        moved = torch.func.jvp(picture, (own,), (change,))[1]
        flat = torch.cat([change[n].reshape(-1) for n in architecture.synthesis]).double().numpy()
        assert flat @ found @ flat == pytest.approx(
            2 * float(moved.square().mean()), rel=0.15
        )  # a sample, and differences cross kinks
