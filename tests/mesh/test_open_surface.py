"""Surfaces of distances without a sign: where they end, what they enclose, and sharp edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from inr.core.errors import UsageError
from inr.mesh import MeshResult, save_mesh
from inr.mesh.extract import Mesh
from inr.mesh.open_surface import extract_open
from inr.mesh.surface_metrics import boundary_hausdorff
from tests.mesh import open_surfaces as made

SIDE = 0.6
N = 40
Floats = np.ndarray[Any, np.dtype[np.float64]]


def placed(mesh: Mesh) -> Floats:
    """Vertices in the coordinates in which the distance is a formula."""
    return np.asarray((mesh.vertices - 0.5) @ made.TURN.numpy().astype(np.float64))


def rim_of(mesh: MeshResult) -> Floats:
    """Middles and ends of the boundary edges."""
    sides = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(sides, axis=0, return_counts=True)
    ends = placed(mesh)[edges[count == 1]]
    return np.concatenate([ends.mean(axis=1), ends.reshape(-1, 3)])


def distances(distance: made.Distance, points: Floats) -> Floats:
    return np.asarray(distance(torch.from_numpy(points)).numpy())


@pytest.fixture(scope="module")
def square() -> MeshResult:
    return extract_open(made.turned(made.square(SIDE)), resolution=N)


def test_a_square_sheet_is_flat_has_its_area_and_ends_at_its_sides(square: MeshResult) -> None:
    assert square.outcome == "ok"
    assert square.open is not None
    assert (square.open.n_loops, square.open.n_nonmanifold_edges, square.open.is_orientable) == (1, 0, True)
    assert not square.is_closed
    assert square.n_components == 1
    assert square.open.area == pytest.approx(SIDE**2, rel=0.01)
    assert np.abs(placed(square)[:, 2]).max() < 0.1 / N
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * SIDE / 2
    true = Mesh(corners.astype(np.float64), np.array([[0, 1, 2], [0, 2, 3]]))
    found = boundary_hausdorff(Mesh(placed(square), square.faces), true)
    assert found is not None
    assert found < 0.3 / N


def test_faces_of_a_sheet_are_turned_alike(square: MeshResult) -> None:
    corners = square.vertices[square.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ made.TURN.numpy()[:, 2]
    assert (normals > 0).mean() > 0.99 or (normals < 0).mean() > 0.99
    assert np.abs(np.linalg.norm(square.normals, axis=1) - 1).max() < 1e-6


def test_half_a_sphere_has_one_boundary_a_circle() -> None:
    distance = made.hemisphere(0.35)
    mesh = extract_open(made.turned(distance), resolution=N)
    assert mesh.open is not None
    assert (mesh.open.n_loops, mesh.open.is_orientable, mesh.n_components) == (1, True, 1)
    assert mesh.open.area == pytest.approx(2 * np.pi * 0.35**2, rel=0.01)
    assert distances(distance, placed(mesh)).max() < 0.15 / N
    rim = rim_of(mesh)
    off = np.hypot(np.hypot(rim[:, 0], rim[:, 1]) - 0.35, rim[:, 2])
    assert np.quantile(off, 0.99) < 0.3 / N


def test_a_moebius_strip_has_one_boundary_and_no_front_and_is_written(tmp_path: Path) -> None:
    mesh = extract_open(made.turned(made.of_faces(*made.moebius())), resolution=N)
    assert mesh.open is not None
    assert (mesh.open.n_loops, mesh.open.is_orientable, mesh.n_components) == (1, False, 1)
    path = tmp_path / "strip.ply"
    save_mesh(mesh, path)
    written: Any = trimesh.load_mesh(path, process=False)
    assert np.array_equal(written.faces, mesh.faces)
    assert len(written.faces) > 500
    vertices, faces = made.moebius()
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert written.area == pytest.approx(area, rel=0.01)


def test_three_sheets_that_meet_have_edges_with_three_faces() -> None:
    distance = made.junction(0.3)
    mesh = extract_open(made.turned(distance), resolution=N)
    assert mesh.open is not None
    assert mesh.open.n_nonmanifold_edges > 5
    off = distances(distance, placed(mesh)[mesh.faces].mean(axis=1))
    assert off.mean() < 0.05 / N
    assert off.max() < 0.5 / N


def test_two_sheets_three_cells_apart_are_two() -> None:
    distance = made.both(made.square(SIDE, -1.5 / N), made.square(SIDE, 1.5 / N))
    mesh = extract_open(made.turned(distance), resolution=N)
    assert mesh.open is not None
    assert (mesh.n_components, mesh.open.n_loops) == (2, 2)
    assert mesh.open.area == pytest.approx(2 * SIDE**2, rel=0.01)


def test_a_closed_sphere_is_closed_and_points_outwards() -> None:
    mesh = extract_open(lambda x: ((x - 0.5).norm(dim=1) - 0.35).abs(), resolution=N)
    assert mesh.is_closed
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.35**3, rel=0.01)
    assert np.abs(np.linalg.norm(mesh.vertices - 0.5, axis=1) - 0.35).max() < 0.1 / N
    assert mesh.open is not None
    assert mesh.open.n_boundary_edges == 0


def test_a_box_has_its_corners_and_edges_exactly() -> None:
    distance = made.turned(made.box_surface)

    def gradient(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(distance(x).sum(), x)[0]

    mesh = extract_open(distance, gradient=gradient, resolution=N)
    assert mesh.open is not None
    assert mesh.open.n_boundary_edges <= 2
    at = np.abs(placed(mesh)) - np.array(made.HALF)
    corners = placed(mesh)[np.abs(at).max(axis=1) < 1e-6]
    assert len(np.unique(np.sign(corners), axis=0)) == 8
    on_edge = (np.abs(at) < 1e-6).sum(axis=1) >= 2
    near_edge = np.sort(np.abs(at), axis=1)[:, 1] < 0.2 / N
    assert near_edge.sum() > 100
    assert on_edge[near_edge].mean() > 0.9
    for axis in range(3):  # along each edge from one corner to the other, a vertex in all cells that it passes but one
        across = [k for k in range(3) if k != axis]
        for side in (0, 1, 2, 3):
            signs = np.where([side & 1, side & 2], 1, -1)
            is_there = (np.abs(placed(mesh)[:, across] - signs * np.array(made.HALF)[across]) < 1e-6).all(axis=1)
            along = np.sort(placed(mesh)[is_there, axis])
            assert np.abs(along[[0, -1]]) == pytest.approx(made.HALF[axis], abs=1e-6)
            assert np.diff(along).max() < 2.5 / N


def test_noise_of_a_fit_makes_no_holes() -> None:
    """Values as rough as a hash grid's: up to 0.3 cells off, so that no slope near the surface is right."""
    exact = made.turned(made.hemisphere(0.35))

    def noisy(x: Tensor) -> Tensor:
        waves = torch.sin(151 * x[:, 0] + 1) * torch.sin(163 * x[:, 1]) * torch.sin(172 * x[:, 2] + 2)
        return (exact(x) + 0.25 / N * waves).clamp(min=0)

    mesh = extract_open(noisy, resolution=N)
    assert mesh.open is not None
    assert mesh.open.n_loops <= 3
    assert mesh.open.area == pytest.approx(2 * np.pi * 0.35**2, rel=0.05)


def test_no_faces_stand_across_the_boundary_of_a_fit() -> None:
    """Values softened as those of a fit, with an error of about 0.13 cells on the surface: most tips of such faces are
    0.3 cells off. The boundary is where the half sphere ends."""
    exact, tau = made.turned(made.hemisphere(0.35)), 2 / 256
    errors = torch.randn(1, 1, 129, 129, 129, generator=torch.Generator().manual_seed(0))

    def fitted(x: Tensor) -> Tensor:
        at = (2 * x - 1).flip(1)[None, :, None, None]
        z = exact(x).square() / (exact(x) + tau)
        z = z + 3.5e-4 * torch.nn.functional.grid_sample(errors, at, align_corners=True).reshape(-1)
        z = z.clamp(min=0)
        return (z + (z * (z + 4 * tau)).sqrt()) / 2

    mesh = extract_open(fitted, resolution=64)
    rim = rim_of(mesh)
    off = np.hypot(np.linalg.norm(rim[:, :2], axis=1) - 0.35, rim[:, 2]) * 64
    assert np.quantile(off, 0.95) < 0.14
    assert np.quantile(off, 0.99) < 0.22


def test_no_surface_is_an_outcome() -> None:
    mesh = extract_open(lambda x: (x[:, 0] - 0.5).abs() + 0.1, resolution=16)
    assert mesh.outcome == "empty"
    assert mesh.value_range[0] == pytest.approx(0.1, abs=0.05)
    assert len(mesh.faces) == 0


def test_a_mesh_that_is_too_large_is_refused() -> None:
    with pytest.raises(UsageError, match="more than the cap"):
        extract_open(made.turned(made.square(SIDE)), resolution=64, memory_bytes=1 << 20)
    with pytest.raises(UsageError, match="resolution 2 is out of range"):
        extract_open(made.turned(made.square(SIDE)), resolution=2)


def test_the_boundary_of_three_sheets_is_theirs_and_no_slit_is_left_between_them() -> None:
    mesh = extract_open(made.turned(made.junction(0.3)), resolution=N)
    assert mesh.open is not None
    assert mesh.open.n_loops == 1
    found = boundary_hausdorff(Mesh(placed(mesh), mesh.faces), made.junction_mesh(0.3))
    assert found is not None
    assert found < 0.3 / N


def test_the_boundary_of_a_moebius_strip_has_no_notches() -> None:
    """Also where the faces are wound in opposite ways, which no Moebius strip is without."""
    vertices, faces = made.moebius()
    mesh = extract_open(made.turned(made.of_faces(vertices, faces)), resolution=N)
    found = boundary_hausdorff(Mesh(placed(mesh), mesh.faces), Mesh(vertices, faces))
    assert found is not None
    assert found < 0.3 / N


@pytest.mark.parametrize("inner", [0.2, 0.24])
def test_concave_corners_of_a_boundary_are_met(inner: float) -> None:
    """A star of ten straight lines, its outer corners 0.4 from the middle."""
    angle, radius = np.pi / 5 * np.arange(10) + 0.1, np.where(np.arange(10) % 2, inner, 0.4)
    rim = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    vertices = np.concatenate([np.zeros((1, 3)), rim])
    k = np.arange(10)
    faces = np.stack([0 * k, k + 1, (k + 1) % 10 + 1], axis=1)
    mesh = extract_open(made.turned(made.of_faces(vertices, faces)), resolution=N)
    assert mesh.open is not None
    assert (mesh.open.n_loops, mesh.open.n_nonmanifold_edges, mesh.n_components) == (1, 0, 1)
    to_inner = np.linalg.norm(placed(mesh)[:, None] - rim[1::2], axis=2).min(axis=0)
    assert to_inner.max() < 0.2 / N
    found = boundary_hausdorff(Mesh(placed(mesh), mesh.faces), Mesh(vertices, faces))
    assert found is not None
    assert found < 0.2 / N
