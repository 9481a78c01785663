"""Dual contouring: exact corners of boxes, manifolds whatever the signs are, smooth shapes as by marching cubes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import inr
from inr.core.errors import UsageError
from inr.mesh import METHODS, MeshResult, check_mesh, extract_mesh
from tests.mesh import shapes

LOW, HIGH = (0.2137, 0.2511, 0.1893), (0.7712, 0.8039, 0.7421)


def box(x: Tensor) -> Tensor:
    """A box in general position: no face lies on lattice points."""
    low, high = x.new_tensor(LOW), x.new_tensor(HIGH)
    q = (x - (low + high) / 2).abs() - (high - low) / 2
    return shapes.norm(q.clamp(min=0)) + q.amax(dim=1).clamp(max=0)


def slope_of(shape: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def gradient(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(shape(x).sum(), x)[0]

    return gradient


def to_corners(mesh: MeshResult, low: tuple[float, ...] = LOW, high: tuple[float, ...] = HIGH) -> np.ndarray:
    """Distances of the eight corners of a box to the nearest vertices."""
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    found: np.ndarray = np.linalg.norm(mesh.vertices[:, None] - corners, axis=2).min(axis=0)
    return found


def crossing_pairs(mesh: MeshResult) -> int:
    """Pairs of faces that cross, by CGAL, which `check_mesh` does not use."""
    from igl.copyleft.cgal import remesh_self_intersections

    found = remesh_self_intersections(mesh.vertices, mesh.faces, True)
    return len(found[2])


def test_the_other_library_finds_crossings() -> None:
    mesh = extract_mesh(box, resolution=32, method="dual", gradient=slope_of(box))
    bent = mesh.vertices.copy()
    bent[0] = 0.5 * (np.array(LOW) + np.array(HIGH)) + 0.4  # a vertex far outside, through the opposite side
    assert crossing_pairs(dataclasses.replace(mesh, vertices=bent)) > 0


@pytest.mark.parametrize("resolution", [32, 63, 64])
def test_a_box_has_its_corners_edges_and_volume(resolution: int) -> None:
    mesh = extract_mesh(box, resolution=resolution, method="dual", gradient=slope_of(box))
    assert to_corners(mesh).max() < 1e-6
    found = check_mesh(mesh)
    assert found.is_sound
    assert found.n_crossings == 0
    assert crossing_pairs(mesh) == 0
    assert found.genus == 0
    sides = np.subtract(HIGH, LOW)
    assert mesh.volume == pytest.approx(float(sides.prod()), abs=1e-6)
    assert found.area == pytest.approx(2 * float(sides @ np.roll(sides, 1)), abs=1e-6)


@pytest.mark.parametrize(
    ("low", "slope", "reach"),
    [
        *((low, True, 1e-6) for low in (0.25, 0.25 + 1 / 128, 0.25 + 1e-4)),
        (0.25, False, 1e-6),
        (0.25 + 1 / 128, False, 1e-6),
        (0.25 + 1e-4, False, 0.01 / 64),
    ],
)
def test_a_cube_along_the_lattice_is_a_solid_for_another_library(low: float, slope: bool, reach: float) -> None:
    """Its faces on lattice points, halfway between them, and almost on them, where differences alone do not tell at
    which side of an edge a crossing is."""
    from manifold3d import Error, Manifold
    from manifold3d import Mesh as Given

    def cube(x: Tensor) -> Tensor:
        q = (x - (low + 0.25)).abs() - 0.25
        return shapes.norm(q.clamp(min=0)) + q.amax(dim=1).clamp(max=0)

    mesh = extract_mesh(cube, resolution=64, method="dual", gradient=slope_of(cube) if slope else None)
    assert to_corners(mesh, (low,) * 3, (low + 0.5,) * 3).max() < reach
    found = check_mesh(mesh)
    assert found.is_sound
    assert found.n_crossings == 0
    assert crossing_pairs(mesh) == 0
    solid = Manifold(Given(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32)))
    assert solid.status() == Error.NoError
    assert solid.genus() == 0
    assert solid.volume() == pytest.approx(0.125, abs=2 * reach)


def test_corners_of_a_box_of_csg_in_its_own_units() -> None:
    mesh = inr.extract_mesh(inr.csg("box(1, 2, 3, 2, 1.5, 1.7)"), 64, method="dual")
    assert to_corners(mesh, (0, 1.25, 2.15), (2, 2.75, 3.85)).max() < 1e-6
    found = check_mesh(mesh)
    assert found.is_sound
    assert found.n_crossings == 0


@pytest.mark.parametrize("resolution", [32, 64])
def test_a_box_by_central_differences_too(resolution: int) -> None:
    """They mix the normals of both sides at an edge, so the planes are taken beside it."""
    mesh = extract_mesh(box, resolution=resolution, method="dual")
    assert to_corners(mesh).max() < 1e-6


def test_concave_edges() -> None:
    """A box without a smaller box at one of its corners: one concave corner, where three concave edges meet."""

    def notched(x: Tensor) -> Tensor:
        return torch.maximum(box(x), (x - x.new_tensor([0.493, 0.507, 0.511])).amin(dim=1))

    mesh = extract_mesh(lambda x: -notched(x), resolution=48, method="dual", gradient=slope_of(lambda x: -notched(x)))
    assert mesh.is_clipped  # the solid is what remains of the unit box
    found = check_mesh(mesh)
    assert found.is_sound
    notch = np.prod(np.subtract(HIGH, (0.493, 0.507, 0.511)))
    assert mesh.volume == pytest.approx(1 - np.prod(np.subtract(HIGH, LOW)) + notch, abs=1e-6)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("shape", [shapes.sphere, shapes.torus, shapes.rippled, shapes.gridded, shapes.clipped_sphere])
def test_smooth_shapes_are_closed_manifolds_of_the_right_volume(shape: Callable[[Tensor], Tensor], method: str) -> None:
    mesh = extract_mesh(shape, resolution=48, method=method)
    found = check_mesh(mesh)
    assert found.is_sound
    assert found.n_crossings == 0
    assert found.n_components == 1
    assert found.genus == (1 if shape is shapes.torus else 0)
    reference = extract_mesh(shape, resolution=96)
    assert mesh.volume == pytest.approx(reference.volume, rel=4e-3)
    faces = mesh.vertices[mesh.faces]
    normal = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    assert np.median(np.einsum("fd,fd->f", normal, mesh.normals[mesh.faces[:, 0]])) > 0
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)


@pytest.mark.parametrize("method", ["dual", "nets"])
@pytest.mark.parametrize("shape", [shapes.noise, shapes.signs, shapes.ties])
@pytest.mark.parametrize("resolution", [9, 20])
def test_random_signs_give_manifolds(shape: Callable[[Tensor], Tensor], resolution: int, method: str) -> None:
    found = check_mesh(extract_mesh(shape, resolution=resolution, method=method, dense=True))
    assert found.is_closed
    assert found.is_edge_manifold
    assert found.is_vertex_manifold


@pytest.mark.parametrize("method", ["dual", "nets"])
def test_smooth_vertices_are_on_the_level_set(method: str) -> None:
    mesh = extract_mesh(shapes.sphere, resolution=32, method=method, gradient=shapes.sphere_gradient)
    assert np.abs(np.linalg.norm(mesh.vertices - 0.5, axis=1) - shapes.R).max() < 2e-3 / 32
    rates = []
    for n in (24, 48):
        volume = extract_mesh(shapes.sphere, resolution=n, method=method).volume
        rates.append(abs(volume / (4 / 3 * math.pi * shapes.R**3) - 1))
    assert math.log2(rates[0] / rates[1]) > 1.7


def test_sparse_is_dense() -> None:
    for shape in (shapes.torus, box):
        one, two = (extract_mesh(shape, resolution=40, method="dual", dense=dense) for dense in (True, False))
        assert len(one.faces) == len(two.faces)
        assert np.array_equal(one.faces, two.faces)
        assert np.array_equal(one.vertices, two.vertices)


def test_nothing_is_empty() -> None:
    for method in METHODS:
        assert extract_mesh(lambda x: x[:, 0] + 1, resolution=8, method=method).outcome == "empty"


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown mesh method 'duel'"):
        extract_mesh(box, resolution=8, method="duel")
