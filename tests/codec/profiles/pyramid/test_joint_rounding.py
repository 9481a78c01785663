"""Rounding all weights together: the file gets better, and stays one that the decoder reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.codec.profiles.pyramid import stream
from inr.codec.profiles.pyramid.architecture import synthesis_of
from inr.codec.profiles.pyramid.distortion import Distortion, squared
from inr.codec.profiles.pyramid.groups import Groups, dequantised
from inr.codec.profiles.pyramid.latent_trainer import Trainer
from inr.codec.profiles.pyramid.network import rate
from inr.codec.profiles.pyramid.network_quantiser import quantise
from inr.kernels.pyramid_error import reference

WEIGHT = 1e-3


def loss(trained: Trainer, groups: Groups, integers: dict[str, np.ndarray], distortion: Distortion = squared) -> float:
    """Distortion + WEIGHT bits per pixel, with the bytes of the networks' stream."""
    architecture, grids = trained.architecture, trained.grids()
    values = {name: torch.from_numpy(value) for name, value in dequantised(architecture, groups, integers).items()}
    networks, _ = stream.encode(architecture, groups, integers, [grid.numpy().astype(np.int64) for grid in grids])
    n_pixels = architecture.height * architecture.width
    with torch.no_grad():
        bits = float(rate(architecture, values, grids)) + 8 * len(networks)
        return float(distortion(architecture, values, grids, trained.target)[0]) + WEIGHT * bits / n_pixels


def test_the_loss_is_less_than_that_of_the_nearest_integers(trained: Trainer) -> None:
    given = trained.architecture, trained.values, trained.grids(), trained.target, WEIGHT
    nearest, together = quantise(*given), quantise(*given, is_together=True)
    assert loss(trained, *together) < loss(trained, *nearest)
    assert list(together[0]) == list(nearest[0])
    assert list(together[1]) == list(nearest[1])


def test_the_decoder_reads_what_was_rounded(trained: Trainer) -> None:
    given = trained.architecture, trained.values, trained.grids(), trained.target, WEIGHT
    groups, integers = quantise(*given, is_together=True)
    grids = [grid.numpy().astype(np.int64) for grid in trained.grids()]
    read = stream.decode(trained.architecture, *stream.encode(trained.architecture, groups, integers, grids))
    assert read[0] == groups
    assert all((read[1][name] == value).all() for name, value in integers.items())


def test_another_distortion_is_lowered_too(trained: Trainer) -> None:
    """The curvature is that of the squared error; a distortion that counts one channel alone still gains."""

    def of_first_channel(*given: Any, **named: Any) -> tuple[Tensor, float]:
        architecture, values, grids, target = given
        found = (reference.picture(grids, *synthesis_of(architecture, values)) - target)[0].square().mean()
        return found, float(found.detach())

    given = trained.architecture, trained.values, trained.grids(), trained.target, WEIGHT, None, of_first_channel
    nearest, together = quantise(*given), quantise(*given, is_together=True)
    losses = [loss(trained, *made, of_first_channel) for made in (nearest, together)]
    assert losses[1] < losses[0]


def test_weights_stay_within_what_the_stream_can_hold(trained: Trainer) -> None:
    architecture, grids = trained.architecture, trained.grids()
    values = {name: value * (1e6 if name == "context.skip" else 1) for name, value in trained.values.items()}
    groups, integers = quantise(architecture, values, grids, trained.target, WEIGHT, is_together=True)
    coded = stream.encode(architecture, groups, integers, [grid.numpy().astype(np.int64) for grid in grids])
    assert (stream.decode(architecture, *coded)[1]["context.skip"] == integers["context.skip"]).all()
