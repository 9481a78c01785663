"""Rounding the networks of a trained pyramid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.codec.profiles.pyramid import stream
from inr.codec.profiles.pyramid.groups import dequantised
from inr.codec.profiles.pyramid.latent_trainer import Trainer
from inr.codec.profiles.pyramid.network import error, rate
from inr.codec.profiles.pyramid.network_quantiser import quantise


def test_the_model_of_the_rate_is_what_the_stream_takes(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    groups, integers = quantise(architecture, trained.values, grids, trained.target, 1e-3)
    latents = [grid.numpy().astype(np.int64) for grid in grids]
    _, body = stream.encode(architecture, groups, integers, latents)
    values = {name: torch.from_numpy(value) for name, value in dequantised(architecture, groups, integers).items()}
    with torch.no_grad():
        bits = float(rate(architecture, values, grids))
    assert 8 * len(body) == pytest.approx(bits, rel=0.02, abs=64)


def test_huge_weights_are_cut_to_what_the_stream_can_hold(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    values = {name: value * (1e6 if name == "context.skip" else 1) for name, value in trained.values.items()}
    groups, integers = quantise(architecture, values, grids, trained.target, 1e-3)
    coded = stream.encode(architecture, groups, integers, [grid.numpy().astype(np.int64) for grid in grids])
    assert (stream.decode(architecture, *coded)[1]["context.skip"] == integers["context.skip"]).all()


def test_quantised_networks_are_nearly_as_good(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    groups, integers = quantise(architecture, trained.values, grids, trained.target, 1e-3)
    values = {name: torch.from_numpy(value) for name, value in dequantised(architecture, groups, integers).items()}

    def loss(of: dict[str, Tensor]) -> float:
        with torch.no_grad():
            bpp = rate(architecture, of, grids) / (40 * 56)
            return float(error(architecture, of, grids, trained.target) + 1e-3 * bpp)

    assert loss(values) < 1.3 * loss(trained.values)
