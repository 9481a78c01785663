"""Solids from their cross-sections, against the solids that were cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inr.signals.slices import SolidOfSlices
from inr.signals.solids import slice_mesh
from inr.signals.solids.faces import Floats
from inr.signals.solids.sections import Section
from tests.signals.solids.cut_solids import ball, cut, random_cuts, share, torus


def found(sections: Sequence[Section]) -> SolidOfSlices:
    return SolidOfSlices.of_planes(sections, {"n_planes": len(sections)}, n_points=64)


def distances(solid: SolidOfSlices, p: Floats) -> Floats:
    low, side = np.array(solid.frame.domain.low), solid.meta["side"]
    return np.asarray(solid.solid.distance((p - low) / side) * side)


def test_a_ball_from_three_planes_through_its_middle() -> None:
    solid = found([cut(ball, normal, 0.0, 60) for normal in ((1, 0, 0), (0, 1, 0), (0, 0, 1))])
    assert share(ball, lambda p: distances(solid, p)) > 0.98


@pytest.mark.slow
def test_a_torus_from_15_random_planes() -> None:
    solid = found(random_cuts(torus, 15))
    assert share(torus, lambda p: distances(solid, p)) >= 0.975
    assert solid.metrics(solid.distance)["slice_iou"] >= 0.99
    assert not solid.notes


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 2])
def test_a_torus_from_8_parallel_planes(axis: int) -> None:
    normal = tuple(np.eye(3)[axis])
    reach = (0.7, 0.7, 0.2)[axis]
    solid = found([cut(torus, normal, reach * (2 * k - 7) / 8) for k in range(8)])
    assert share(torus, lambda p: distances(solid, p)) >= 0.975


def test_interpolated_distances_of_a_ball(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of stacks with much detail."""
    monkeypatch.setattr(slice_mesh, "MOST_PLANES", 0)
    monkeypatch.setattr(slice_mesh, "SIDES", 64)
    solid = found([cut(ball, (0, 0, 1), 0.5 * (2 * k - 11) / 12, 80) for k in range(12)])
    assert share(ball, lambda p: distances(solid, p)) > 0.97


def test_empty_planes_end_the_solid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_mesh, "MOST_PLANES", 0)
    monkeypatch.setattr(slice_mesh, "SIDES", 48)
    levels = (-0.4, -0.2, 0.0, 0.2, 0.4, 0.6)
    sections = [cut(ball, (0, 0, 1), 0.0, 60) for _ in levels]
    moved = [
        Section(s.origin + np.array([0, 0, z]), s.frame, s.rings if abs(z) < 0.3 else ())
        for s, z in zip(sections, levels, strict=True)
    ]
    solid = found(moved)
    p = np.array([[0.0, 0, 0.19], [0, 0, 0.41], [0, 0, -0.41], [0, 0, 0.0]])
    assert (distances(solid, p) < 0).tolist() == [True, False, False, True]
