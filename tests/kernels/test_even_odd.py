"""The even-odd rule in strips against winding of every ring by angles."""

from __future__ import annotations

import numpy as np

from inr.kernels.even_odd import in_strips, is_inside


def test_strips_hold_every_segment_that_crosses_them() -> None:
    rng = np.random.default_rng(0)
    starts, ends = rng.random((50, 2)), rng.random((50, 2))
    numbers, first = in_strips(starts, ends, 0.0, 8.0, 8)
    for k in range(8):
        low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
        expected = np.flatnonzero((low < (k + 1) / 8) & (high >= k / 8))
        assert sorted(numbers[first[k] : first[k + 1]]) == expected.tolist()


def test_star_polygons_agree_with_the_sum_of_angles() -> None:
    """A closed curve that crosses itself: inside by even-odd where the winding number is odd."""
    angle = 2 * np.pi * np.arange(5) * 2 / 5
    star = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    starts, ends = star, np.roll(star, -1, axis=0)
    at = np.random.default_rng(1).uniform(-1.1, 1.1, (500, 2))
    inside = np.zeros(500, np.bool_)
    numbers, first = in_strips(starts, ends, -1.0, 2.0, 4)
    is_inside(at, starts, ends, numbers, first, -1.0, 2.0, inside)
    a, b = (np.angle((p[None] - at[:, None]) @ [1, 1j]) for p in (starts, ends))
    turns = np.rint(np.sum((b - a + np.pi) % (2 * np.pi) - np.pi, axis=1) / (2 * np.pi))
    assert (inside == (turns % 2 == 1)).all()
    assert set(turns) == {0.0, 1.0, 2.0}
