"""Filters that predict the latents of a picture."""

from __future__ import annotations

import pytest
import torch

from inr.codec.profiles.pyramid.analysis import Analysis
from inr.codec.profiles.pyramid.latent_trainer import GAIN, Trainer
from inr.codec.profiles.pyramid.network import error, rate


def test_predicted_latents_render_the_picture(trained: Trainer) -> None:
    """Better than no latents, and nearly as well as the latents that the filters were fitted to."""
    architecture, values, target = trained.architecture, trained.values, trained.target
    latents = [GAIN * x.detach() for x in trained.latents]
    found = Analysis.fitted(architecture, values, target, latents).latents(architecture, values, target)
    assert [grid.shape for grid in found] == [grid.shape for grid in latents]

    def loss(grids: list[torch.Tensor]) -> float:
        rounded = [grid.round() for grid in grids]
        with torch.no_grad():
            bpp = rate(architecture, values, rounded) / (architecture.height * architecture.width)
            return float(error(architecture, values, rounded, target) + 1e-3 * bpp)

    nothing = [torch.zeros_like(grid) for grid in latents]
    assert loss(latents) < loss(found) < 0.5 * loss(nothing)


def test_filters_of_a_flat_picture_are_finite(trained: Trainer) -> None:
    flat = torch.full_like(trained.target, 0.5)
    nothing = [torch.zeros_like(x) for x in trained.latents]
    found = Analysis.fitted(trained.architecture, trained.values, flat, nothing)
    assert all(torch.isfinite(weights).all() for sweep in found.filters for weights in sweep)
    assert sum(grid.abs().sum() for grid in found.latents(trained.architecture, trained.values, flat)) == pytest.approx(
        0, abs=1e-3
    )
