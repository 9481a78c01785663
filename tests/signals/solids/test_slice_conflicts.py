"""Contradictions between cross-sections."""

from __future__ import annotations

import numpy as np
import pytest

from inr.signals.solids.sections import Section
from inr.signals.solids.slice_conflicts import conflicts, is_same_plane


def disc(normal: tuple[float, float, float], radius: float) -> Section:
    """A disc around the middle of the unit box."""
    angle = 2 * np.pi * np.arange(200) / 200
    plane = Section.of_plane(np.array(normal), float(np.array(normal) @ [0.5, 0.5, 0.5]), [])
    centre = plane.to_plane(np.full((1, 3), 0.5))
    return Section(plane.origin, plane.frame, (centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1),))


def test_sections_of_one_ball_agree() -> None:
    assert conflicts([disc((1, 0, 0), 0.3), disc((0, 1, 0), 0.3), disc((1, 1, 1), 0.3), disc((1, 0, 0), 0.3)]) == []


def test_the_share_of_the_common_line() -> None:
    """Discs of radii 0.3 and 0.2 differ on 2 x 0.1 of a line whose part in the box is 1 long."""
    found = conflicts([disc((1, 0, 0), 0.3), disc((0, 0, 1), 0.3), disc((0, 1, 0), 0.2)])
    assert [(each.first, each.second, each.is_line) for each in found] == [(0, 2, True), (1, 2, True)]
    for each in found:
        assert each.share == pytest.approx(0.2, abs=0.02)


def test_two_sections_of_one_plane() -> None:
    first, second = disc((0, 0, 1), 0.4), disc((0, 0, -1), 0.3)
    assert is_same_plane(first, second)
    (found,) = conflicts([first, second])
    assert not found.is_line
    assert found.share == pytest.approx(np.pi * (0.4**2 - 0.3**2), abs=0.02)
    assert conflicts([first, disc((0, 0, 1), 0.4)]) == []
