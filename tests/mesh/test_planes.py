"""Where planes meet: closed forms for one, two and three planes, and within a box."""

from __future__ import annotations

import numpy as np
import pytest

from inr.mesh.planes import meeting_points


def meet(
    points: object, normals: object, low: object = (-9, -9, -9), high: object = (9, 9, 9)
) -> tuple[np.ndarray, int]:
    n = np.asarray(normals, float)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    owner = np.zeros(len(n), np.int64)
    bounds = (np.array([end], float) for end in (low, high))
    found, _, _, rank = meeting_points(np.asarray(points, float), n, owner, *bounds)
    return found[0], int(rank[0])


def test_three_planes_meet_in_their_point() -> None:
    apex = np.array([0.3, -0.2, 0.5])
    normals = np.array([[1, 0.1, 0], [0, 1, 0.3], [-0.2, 0, 1]])
    points = apex + np.cross(normals, [0.7, 0.4, -1.1])
    found, rank = meet(points, normals)
    assert rank == 3
    assert found == pytest.approx(apex, abs=1e-12)


def test_two_planes_meet_in_the_place_of_their_line_nearest_to_the_mean() -> None:
    found, rank = meet([[1, 0, 0.5], [0, 2, 1.5]], [[1, 0, 0], [0, 1, 0]])
    assert rank == 2
    assert found == pytest.approx([1, 2, 1], abs=1e-12)


def test_parallel_planes_keep_the_mean_along_themselves() -> None:
    found, rank = meet([[0, 0, 1], [2, 0, 1], [1, 3, 1.3]], [[0, 0, 1], [0, 0, 1], [0, 0, 1]])
    assert rank == 1
    assert found == pytest.approx([1, 1, 1.1], abs=1e-12)


def test_outside_the_box_the_best_place_on_its_wall_is_taken() -> None:
    """x + y = 2 and x - y = 0 meet in (1, 1); with x at most 0.5, both are missed least at y = 1."""
    found, rank = meet([[2, 0, 0], [0, 0, 0]], [[1, 1, 0], [1, -1, 0]], high=(0.5, 9, 9))
    assert rank == 2
    assert found == pytest.approx([0.5, 1.0, 0.0], abs=1e-9)
