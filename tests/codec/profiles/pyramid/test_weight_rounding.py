"""Rounding weights by their loss: the file gets better, and stays one that the decoder reads."""

from __future__ import annotations

import numpy as np
import torch

from inr.codec.profiles.pyramid import stream
from inr.codec.profiles.pyramid.distortion import squared
from inr.codec.profiles.pyramid.groups import Groups, dequantised
from inr.codec.profiles.pyramid.latent_trainer import Trainer
from inr.codec.profiles.pyramid.network import rate
from inr.codec.profiles.pyramid.network_quantiser import quantise
from inr.codec.profiles.pyramid.weight_rounding import refined

WEIGHT = 1e-3


def loss(trained: Trainer, groups: Groups, integers: dict[str, np.ndarray]) -> float:
    """MSE + WEIGHT bits per pixel, with the bytes of the networks' stream."""
    architecture, grids = trained.architecture, trained.grids()
    values = {name: torch.from_numpy(value) for name, value in dequantised(architecture, groups, integers).items()}
    networks, _ = stream.encode(architecture, groups, integers, [grid.numpy().astype(np.int64) for grid in grids])
    n_pixels = architecture.height * architecture.width
    with torch.no_grad():
        bits = float(rate(architecture, values, grids)) + 8 * len(networks)
        return squared(architecture, values, grids, trained.target)[1] + WEIGHT * bits / n_pixels


def test_the_loss_falls_with_the_trials(trained: Trainer) -> None:
    given = trained.architecture, trained.values, trained.grids(), trained.target, WEIGHT
    found = {trials: quantise(*given, trials=trials) for trials in (0, 40, 200)}
    losses = {trials: loss(trained, *made) for trials, made in found.items()}
    assert losses[200] < losses[0]
    assert losses[200] <= losses[40] <= losses[0]  # few trials may find nothing
    for trials, (groups, integers) in found.items():
        is_coarser = trials == 200  # enough for twice the steps
        finest = found[0][0]
        assert all(group.bits in (b := finest[name].bits, b - is_coarser) for name, group in groups.items())
        moved = sum(int(np.abs(value - found[0][1][name]).sum()) for name, value in integers.items())
        assert is_coarser or 0 <= moved <= trials
        grids = [grid.numpy().astype(np.int64) for grid in trained.grids()]
        read = stream.decode(trained.architecture, *stream.encode(trained.architecture, groups, integers, grids))
        assert all((read[1][name] == value).all() for name, value in integers.items())


def test_a_weight_that_costs_bits_for_nothing_is_moved_to_a_cheaper_one(trained: Trainer) -> None:
    """A bias of -9 of a feature that no channel uses goes towards zero."""
    architecture = trained.architecture
    groups, integers = quantise(architecture, trained.values, trained.grids(), trained.target, WEIGHT)
    for name, value in integers.items():
        if not name.startswith("kernel"):
            value[:] = 0
    integers["synthesis0.bias"][0] = -9
    blank = torch.zeros_like(trained.target)
    grids = [torch.zeros_like(grid) for grid in trained.grids()]
    made = refined(architecture, groups, integers, grids, blank, WEIGHT, squared, 100)
    assert -9 < made["synthesis0.bias"][0] <= 0


def test_weights_stay_within_what_the_stream_can_hold(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    values = {name: value * (1e6 if name == "context.skip" else 1) for name, value in trained.values.items()}
    groups, integers = quantise(architecture, values, grids, trained.target, WEIGHT, trials=60)
    coded = stream.encode(architecture, groups, integers, [grid.numpy().astype(np.int64) for grid in grids])
    assert (stream.decode(architecture, *coded)[1]["context.skip"] == integers["context.skip"]).all()
