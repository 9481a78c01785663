"""Triangles through points of open surfaces: they lie along the surface, cover it, and leave openings open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.signals.solids.cloud_sheet import faces_of_cloud
from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import area
from inr.signals.solids.scans import Scan, unoriented

Floats = np.ndarray[Any, np.dtype[np.float64]]


def bowl(n: int, noise: float = 0.0) -> Floats:
    """Points of the half of a ball with radius 1 and z > 0."""
    rng = np.random.default_rng(0)
    z, a = rng.random((2, n)) * [[1], [2 * np.pi]]
    across = np.sqrt(1 - z**2)
    points = np.stack([across * np.cos(a), across * np.sin(a), z], axis=1)
    return points + noise * rng.normal(size=points.shape)


def joined(scan: Scan) -> tuple[Any, Edges]:
    faces = faces_of_cloud(scan.points, scan.normals)
    return faces, Edges.of(faces)


def test_a_bowl_is_covered_once_and_stays_open() -> None:
    scan = unoriented(bowl(4000))
    faces, edges = joined(scan)
    assert len(np.unique(faces)) == 4000
    assert not (edges.n_faces > 2).any()
    assert area(scan.points, faces).sum() == pytest.approx(2 * np.pi, rel=0.025)  # it ends at the last points
    rim = scan.points[np.unique(edges.ends(faces, edges.n_faces == 1))]
    assert np.quantile(rim[:, 2], 0.95) < 2 * scan.spacing
    middle = scan.points[faces].mean(axis=1)
    assert np.abs(np.linalg.norm(middle, axis=1) - 1).max() < 2 * scan.spacing**2


@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_noise_is_smoothed_before(noise: float) -> None:
    scan = unoriented(bowl(4000, noise))
    faces, _ = joined(scan)
    assert area(scan.points, faces).sum() == pytest.approx(2 * np.pi, rel=0.1)
    middle = scan.points[faces].mean(axis=1)
    assert np.abs(np.linalg.norm(middle, axis=1) - 1).mean() < 0.5 * noise


def test_points_in_a_plane_are_joined_there() -> None:
    flat = np.random.default_rng(0).random((2000, 2)) @ np.array([[1.0, 0, 1], [0, 1, 2]])
    scan = unoriented(flat)
    faces, edges = joined(scan)
    assert area(scan.points, faces).sum() == pytest.approx(np.sqrt(6), rel=0.05)
    assert edges.n_faces.max() == 2


def test_a_hole_wider_than_the_spacing_is_left_and_two_sheets_stay_apart() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((6000, 2))
    x = x[np.hypot(*(x - 0.5).T) > 0.15]
    points = np.stack([*x.T, 0.2 * (np.arange(len(x)) % 2) + 0.02 * np.sin(6 * x[:, 0])], axis=1)
    scan = unoriented(points)
    faces, _ = joined(scan)
    middle = scan.points[faces].mean(axis=1)
    assert np.hypot(*(middle[:, :2] - 0.5).T).min() > 0.12
    assert np.ptp(scan.points[faces][..., 2], axis=1).max() < 0.05


def test_far_points_have_no_faces() -> None:
    line = np.stack([np.arange(200.0), np.zeros(200), 1e-3 * np.arange(200.0) ** 2], axis=1)
    assert area(line, faces_of_cloud(line, np.tile([0.0, 0, 1], (200, 1)))).sum() < 1e-3
