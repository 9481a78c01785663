"""Metrics of surfaces against closed forms: offset spheres, a box, cut edges, and rims."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from inr.fitting import Fit
from inr.mesh import Mesh
from inr.mesh import surface_metrics as metrics
from inr.signals.analytic import demo
from inr.signals.shape import Shape
from inr.workflows.csg import combine


def _fit(text: str) -> Fit:
    def none(name: str) -> Fit:
        raise AssertionError(name)

    return combine(text, none)


def _ball(radius: float) -> Mesh:
    ball = trimesh.creation.icosphere(5, radius)
    return Mesh(np.asarray(ball.vertices) + 0.5, np.asarray(ball.faces, np.int64))


def test_a_sphere_of_another_radius_is_that_far_away_everywhere() -> None:
    solid = demo("sphere").solid  # type: ignore[attr-defined]  # radius 1 / 2.2 around the middle
    off = 0.02
    found = metrics.compare_surfaces(_ball(1 / 2.2 + off), solid, 0.03)
    assert found["chamfer"] == pytest.approx(off, rel=0.02)
    assert found["hausdorff"] == pytest.approx(off, rel=0.02)
    assert found["normal_consistency"] > 0.999
    assert found["f_score"] == 1
    assert metrics.compare_surfaces(_ball(1 / 2.2 + off), solid, 0.01)["f_score"] == 0


def test_a_moved_sphere_has_the_distance_at_its_end() -> None:
    solid = demo("sphere").solid  # type: ignore[attr-defined]
    ball = _ball(1 / 2.2)
    moved = Mesh(ball.vertices + np.array([0.05, 0, 0]), ball.faces)
    found = metrics.compare_surfaces(moved, solid, 0.03)
    assert found["hausdorff"] == pytest.approx(0.05, rel=0.02)
    assert found["chamfer"] == pytest.approx(0.025, rel=0.05)  # the mean of 0.05 |cos| over a sphere
    assert found["f_score"] == pytest.approx(0.6, abs=0.02)  # |cos| <= 0.6
    flipped = metrics.compare_surfaces(Mesh(moved.vertices, moved.faces[:, ::-1].copy()), solid, 0.03)
    assert flipped["normal_consistency"] == pytest.approx(found["normal_consistency"], abs=1e-4)


def test_exact_fields_have_perfect_metrics() -> None:
    mesh = trimesh.creation.box((1.0, 0.8, 0.6))
    signal = Shape.of_mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    fit = _fit("box(0,0,0, 1,0.8,0.6)")
    assert fit.frame.domain.extent == pytest.approx(signal.frame.domain.extent)
    found = metrics.surface_metrics(signal, fit, fit, 64)
    assert found["slice_iou"] == 1
    assert abs(found["edge_rounding"]) < 1e-6
    assert found["chamfer"] < 1e-3
    assert found["f_score"] == 1
    assert found["normal_consistency"] > 0.97
    assert found["hausdorff"] < 1.1 / 64


def test_rounded_edges_are_off_by_a_quarter_of_the_blend() -> None:
    k = 0.04
    cube = trimesh.creation.box((1.0, 1.0, 1.0))
    signal = Shape.of_mesh(np.asarray(cube.vertices), np.asarray(cube.faces))
    box = "plane(1,0,0,0.5)"
    for normal in ("-1,0,0", "0,1,0", "0,-1,0", "0,0,1", "0,0,-1"):
        box = f"intersection({box}, plane({normal},0.5), {k})"
    rounded = _fit(f"({box}) & box(0,0,0, 1.2,1.2,1.2)")

    def evaluate(x: Tensor) -> Tensor:
        return rounded(rounded.frame.domain.to_unit(signal.frame.domain.from_unit(x)))

    found = metrics.edge_rounding(evaluate, signal.solid.vertices, signal.solid.faces)  # type: ignore[attr-defined]
    assert found == pytest.approx(k / 4, rel=0.1)


def test_smooth_shapes_have_no_sharp_edges() -> None:
    ball = _ball(0.3)
    assert metrics.edge_rounding(lambda x: x[:, :1], ball.vertices, ball.faces) is None
    concave = trimesh.creation.box((0.5, 0.5, 0.5))
    vertices = np.asarray(concave.vertices) + 0.5
    turned = metrics.edge_rounding(lambda x: torch.ones(len(x), 1), vertices, np.asarray(concave.faces)[:, ::-1])
    assert turned == -1  # inside out, every edge is concave
    assert metrics.edge_rounding(lambda x: torch.ones(len(x), 1), vertices, np.asarray(concave.faces)) == 1


def test_slices_of_a_smaller_sphere() -> None:
    signal = demo("sphere")
    inner = _fit("sphere(0,0,0,0.9)")

    def evaluate(x: Tensor) -> Tensor:
        return inner(inner.frame.domain.to_unit(signal.frame.domain.from_unit(x)))

    heights = (np.arange(5) + 0.5) / 5 * 2 - 1
    expected = np.mean([max(0.0, 0.81 - z * z) / (1 - z * z) for z in heights])
    found = metrics.slice_iou(evaluate, signal.solid)  # type: ignore[attr-defined]
    assert found == pytest.approx(expected, abs=0.01)


def test_rims_of_open_meshes() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    wider = square * [1.2, 1, 1]
    assert metrics.boundary_hausdorff(Mesh(square, faces), Mesh(wider, faces)) == pytest.approx(0.2)
    assert metrics.boundary_hausdorff(
        Mesh(square, faces), Mesh(square + np.array([0, 0, 0.1]), faces)
    ) == pytest.approx(0.1)
    assert metrics.boundary_hausdorff(Mesh(square, faces), _ball(0.3)) is None


def test_a_fit_without_a_surface_has_no_distances() -> None:
    signal = demo("sphere")
    empty = _fit("sphere(0,0,0,1) - sphere(0,0,0,2)")
    found = metrics.surface_metrics(signal, empty, lambda x: torch.ones(len(x), 1), 16)  # type: ignore[arg-type]
    assert math.isnan(found["chamfer"])
    assert found["slice_iou"] == 0
    assert "edge_rounding" not in found
