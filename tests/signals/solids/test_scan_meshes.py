"""From points without normals to a mesh: uneven density and cavities, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from inr.signals.solids.cloud_mesh import mesh_of_cloud
from inr.signals.solids.distances import MeshSolid
from inr.signals.solids.faces import Floats, volume
from inr.signals.solids.scans import Scan, estimated
from tests.signals.solids.test_scans import torus

SIDE = 3.2  # of the box around the torus


def placed(scan: Scan) -> Floats:
    points: Floats = scan.points / SIDE + 0.5
    return points


def iou(scan: Scan) -> float:
    """Of the mesh with the torus of radii 1 and 0.4."""
    solid = MeshSolid(mesh_of_cloud(placed(scan), scan.normals))
    x = 0.5 + (np.random.default_rng(1).random((40_000, 3)) - 0.5) * [0.9, 0.9, 0.27]
    p = SIDE * (x - 0.5)
    inside, found = np.hypot(np.hypot(p[:, 0], p[:, 1]) - 1, p[:, 2]) < 0.4, solid.distance(x) < 0
    return float((found & inside).sum() / (found | inside).sum())


@pytest.mark.slow
def test_a_density_ten_times_lower_at_one_end_costs_little() -> None:
    even, ramp = (iou(estimated(torus(20_000, is_ramp=is_ramp)[0])) for is_ramp in (False, True))
    assert even > 0.995
    assert ramp > even - 0.005


def test_a_mesh_through_smoothed_points_is_moved_to_the_middle_of_the_measured_ones() -> None:
    scan = estimated(torus(6000, 0.04)[0])
    assert scan.measured is not None

    def off(measured: Floats | None) -> Floats:
        mesh = mesh_of_cloud(placed(scan), scan.normals, noise=scan.noise / SIDE, measured=measured)
        x, y, z = (SIDE * (mesh.vertices - 0.5)).T
        found: Floats = np.hypot(np.hypot(x, y) - 1, z) - 0.4
        return found

    with_them, without = off(scan.measured / SIDE + 0.5), off(None)
    assert np.abs(with_them).mean() < 0.2 * 0.04
    assert abs(with_them.mean()) < 0.3 * abs(without.mean())


def test_nested_balls_have_the_volume_of_a_shell() -> None:
    normals = np.random.default_rng(2).normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    radius = np.where(np.arange(6000) < 4800, 1.0, 0.5)[:, None]
    scan = estimated(radius * normals)
    boundary = mesh_of_cloud(placed(scan), scan.normals)
    shell = 4 / 3 * np.pi * (1 - 0.5**3) / SIDE**3
    assert volume(boundary.vertices, boundary.faces) == pytest.approx(shell, rel=0.02)
