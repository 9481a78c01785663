"""The stored starting points of pyramids."""

from __future__ import annotations

import dataclasses

import torch

from inr.codec.profiles.pyramid.architecture import architecture_of
from inr.codec.profiles.pyramid.groups import shapes_of
from inr.codec.profiles.pyramid.starting_point import StartingPoint, packed


def test_the_file_has_a_point_for_each_of_three_rate_weights() -> None:
    architecture = architecture_of(3, 100, 200, effort=1)
    points = [(weight, StartingPoint.of(architecture, weight)) for weight in (1e-1, 1e-3, 1e-6)]
    stored = [(weight, point) for weight, point in points if point is not None]
    assert len(stored) == 3
    for _, point in stored:
        assert {name: tuple(value.shape) for name, value in point.values.items()} == shapes_of(architecture)
    first, last = stored[0][1], stored[-1][1]
    assert not torch.equal(first.values["synthesis.skip"], last.values["synthesis.skip"])
    assert len(packed(stored)) < 20_000


def test_other_pictures_have_none() -> None:
    architecture = architecture_of(3, 100, 200, effort=1)
    assert StartingPoint.of(dataclasses.replace(architecture, channels=1), 1e-3) is None
    assert StartingPoint.of(architecture_of(3, 100, 200, effort=5), 1e-3) is None
    assert StartingPoint.of(architecture_of(3, 100, 200, effort=1, expected_bytes=100), 1e-3) is None
