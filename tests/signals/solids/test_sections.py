"""Cross-sections: the even-odd rule, areas and distances against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from inr.signals.solids.faces import Floats
from inr.signals.solids.sections import FAR, Section


def square(half: float, z: float = 0.0) -> Floats:
    return np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])


def circle(radius: float, n: int = 64) -> Floats:
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)


def section(*rings: Floats) -> Section:
    return Section.of_plane(np.array([0.0, 0.0, 2.0]), 0.0, rings)


def polygon_area(radius: float, n: int) -> float:
    return n / 2 * radius**2 * float(np.sin(2 * np.pi / n))


@pytest.mark.parametrize("turned", [(), (0,), (1,), (0, 2)])
def test_a_ring_in_a_hole_in_a_ring(turned: tuple[int, ...]) -> None:
    """The area is exact, whatever the direction and order of the rings."""
    rings = [circle(0.9), circle(0.6, 50), circle(0.25, 30)]
    exact = polygon_area(0.9, 64) - polygon_area(0.6, 50) + polygon_area(0.25, 30)
    given = [ring[::-1] if k in turned else ring for k, ring in enumerate(rings)]
    for ordered in (given, given[::-1]):
        found = section(*ordered)
        assert abs(found.area - exact) < 1e-9
        at = np.array([[0.0, 0.0], [0.4, 0.0], [0.0, 0.75], [0.95, 0.0]])
        assert found.contains(at).tolist() == [True, False, True, False]


def test_the_share_of_random_points_is_the_area() -> None:
    found = section(square(0.9), square(0.5), circle(0.3))
    at = np.random.default_rng(0).uniform(-1, 1, (200_000, 2))
    assert found.contains(at).mean() * 4 == pytest.approx(found.area, abs=0.01)


def test_distances_are_those_of_the_nearest_edge() -> None:
    found = section(square(3.0), square(2.0), square(1.0))
    at = np.array([[0.0, 0.0], [1.5, 0.0], [2.5, 0.1], [4.0, 0.0], [4.0, 4.0]])
    np.testing.assert_allclose(found.distance(at), [-1, 0.5, -0.5, 1, np.sqrt(2)], rtol=1e-12)


def test_a_keyhole_is_a_hole() -> None:
    """Edges that are passed forth and back are no boundary: the distance does not see them."""
    outer, inner = square(2.0), square(1.0)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[[1, 2, 3, 0, 1]]])  # along outer[0] to inner[1] and back
    apart, joined = section(outer, inner), section(keyhole)
    at = np.random.default_rng(1).uniform(-3, 3, (2000, 2))
    assert (joined.contains(at) == apart.contains(at)).all()
    np.testing.assert_allclose(joined.distance(at), apart.distance(at), rtol=1e-12)


def test_vertices_at_the_height_of_a_point_count_once() -> None:
    diamond = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    at = np.array([[0.0, 0.0], [-2.0, 0.0], [-0.5, 0.0], [2.0, 0.0], [-3.0, 1.0]])
    assert section(diamond).contains(at).tolist() == [True, False, True, False, False]


def test_a_plane_in_space_has_an_orthonormal_frame() -> None:
    normal = np.array([1.0, -2.0, 3.0])
    points = np.random.default_rng(2).normal(size=(5, 3))
    points -= np.outer((points @ normal - 4) / (normal @ normal), normal)
    found = Section.of_plane(normal, 4.0, [points])
    np.testing.assert_allclose(found.frame @ found.frame.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found.to_space(found.rings[0]), points, atol=1e-12)
    moved = found.moved(np.array([1.0, 2.0, 3.0]), 5.0)
    np.testing.assert_allclose(moved.to_space(moved.rings[0]), (points - [1, 2, 3]) / 5, atol=1e-12)
    assert moved.normal @ moved.origin == pytest.approx(moved.offset)


def test_an_empty_plane_is_outside() -> None:
    empty = section()
    assert empty.is_empty
    assert empty.distance(np.zeros((2, 2))).tolist() == [FAR, FAR]
    assert not empty.contains(np.zeros((2, 2))).any()
