"""Gaussians with variable period."""

from __future__ import annotations

import math

import torch

from inr.core.domain import Spec
from inr.layers.activations.finer_gauss import FinerGauss
from inr.layers.activations.gauss import Gauss

PICTURE, SHAPE, POINTS = Spec("image", 2, 3, (8, 8)), Spec("shape", 3, 1), Spec("points", 3, 1)


def test_its_numbers_are_those_of_the_signal() -> None:
    of = {spec.kind: FinerGauss().resolve(spec) for spec in (PICTURE, SHAPE, POINTS)}
    assert {kind: (config.scale, config.warp) for kind, config in of.items()} == {
        "image": (3, 10),
        "shape": (1, 5),
        "points": (3, 10),
    }
    assert of["points"].has_scale_gradient
    assert not of["shape"].has_scale_gradient


def test_given_numbers_stay() -> None:
    given = FinerGauss(scale=2.0, warp=7.0).resolve(SHAPE)
    assert (given.scale, given.warp) == (2, 7)


def test_it_is_the_gaussian_of_the_sine_of_variable_period() -> None:
    z = torch.linspace(-1, 1, 41, dtype=torch.float64)
    y = FinerGauss(scale=2.0, warp=3.0).build("hidden", 8).eval()(z)
    expected = [math.exp(-((2 * math.sin(3 * (abs(v) + 1) * v)) ** 2)) for v in z.tolist()]
    torch.testing.assert_close(y, torch.tensor(expected, dtype=torch.float64))
    same = Gauss(scale=2.0, warp=3.0).build("hidden", 8).eval()(z)
    assert torch.equal(y, same)
