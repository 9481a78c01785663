"""Simplified meshes: within the tolerance as measured here, still closed, and no larger than flat parts need."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from inr.core.errors import UsageError
from inr.mesh import Mesh, check_mesh, extract_mesh, simplify
from inr.signals.metrics import point_to_mesh
from tests.mesh import shapes


def _far(one: Mesh, other: Mesh) -> float:
    """Largest distance from random points of one mesh to another."""
    points, _ = trimesh.sample.sample_surface(trimesh.Trimesh(one.vertices, one.faces, process=False), 3000, seed=0)
    return float(point_to_mesh(np.asarray(points), other.vertices, other.faces).max())


@pytest.mark.parametrize("tolerance", [1e-3, 4e-3])
def test_the_deviation_is_within_the_tolerance_and_the_mesh_is_closed(tolerance: float) -> None:
    mesh = extract_mesh(shapes.torus, resolution=48)
    small, deviation = simplify(mesh, tolerance)
    assert 0 < deviation <= tolerance
    assert max(_far(mesh, small), _far(small, mesh)) <= tolerance * 1.05
    assert len(small.faces) < len(mesh.faces) / 2
    found = check_mesh(small)
    assert found.is_sound
    assert found.genus == 1
    assert small.is_closed
    assert small.volume == pytest.approx(found.volume)
    assert small.volume == pytest.approx(mesh.volume, rel=0.02)
    assert np.allclose(np.linalg.norm(small.normals, axis=1), 1)
    outward = np.einsum("nd,nd->n", small.normals, shapes_gradient(small.vertices))
    assert (outward > 0.5).all()


def shapes_gradient(x: np.ndarray) -> np.ndarray:
    """Outward normals of the torus of `shapes` near points x."""
    p = x - 0.5
    ring = p.copy()
    ring[:, 2] = 0
    ring *= shapes.RING / np.linalg.norm(ring, axis=1, keepdims=True)
    away = p - ring
    normals: np.ndarray = away / np.linalg.norm(away, axis=1, keepdims=True)
    return normals


def test_a_larger_tolerance_gives_fewer_faces_and_a_flat_mesh_few() -> None:
    mesh = extract_mesh(shapes.sphere, resolution=32)
    counts = [len(simplify(mesh, tolerance)[0].faces) for tolerance in (3e-4, 1e-3, 5e-3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0] / 2
    flat = trimesh.creation.box((1.0, 1.0, 1.0)).subdivide().subdivide().subdivide()
    small, deviation = simplify(Mesh(np.asarray(flat.vertices), np.asarray(flat.faces, np.int64)), 1e-6)
    assert len(small.faces) <= 60
    assert deviation <= 1e-6
    assert check_mesh(small).volume == pytest.approx(1, abs=1e-6)


def test_what_cannot_be_simplified_stays() -> None:
    box = trimesh.creation.box((1.0, 1.0, 1.0))
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int64))
    small, deviation = simplify(mesh, 1e-9)
    assert len(small.faces) == 12
    assert deviation == 0
    with pytest.raises(UsageError, match="`simplify` is 0, expected a positive distance"):
        simplify(mesh, 0)


def test_colours_stay_with_their_vertices() -> None:
    ball = trimesh.creation.icosphere(3)
    vertices = np.asarray(ball.vertices)
    colors = np.clip(127 * (vertices + 1), 0, 255).astype(np.uint8)
    small, _ = simplify(Mesh(vertices, np.asarray(ball.faces, np.int64), colors=colors), 0.05)
    assert small.colors is not None
    assert len(small.vertices) < len(vertices)
    assert np.abs(small.colors - 127 * (small.vertices + 1)).max() < 60


def _strip(n: int, turns: int) -> Mesh:
    """A flat ring of n by 6 squares around the z axis, or with turns = 1 a Moebius strip."""
    angle, across = np.meshgrid(2 * np.pi * np.arange(n) / n, np.linspace(-0.3, 0.3, 7), indexing="ij")
    r = 1 + across * np.cos(turns * angle / 2)
    places = np.stack([r * np.cos(angle), r * np.sin(angle), across * np.sin(turns * angle / 2)], axis=-1)
    index = np.arange(7 * n).reshape(n, 7)
    index = np.concatenate([index, index[:1, :: -1 if turns else 1]])
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    return Mesh(places.reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]))


def test_an_open_mesh_keeps_its_boundaries() -> None:
    ring = _strip(64, 0)
    small, deviation = simplify(ring, 2e-3)
    assert 0 < deviation <= 2e-3
    assert len(small.faces) <= len(ring.faces) / 2
    found = trimesh.Trimesh(small.vertices, small.faces, process=False)
    assert found.area == pytest.approx(trimesh.Trimesh(ring.vertices, ring.faces).area, rel=5e-3)
    assert found.euler_number == 0
    assert not found.is_watertight


def test_meshes_that_are_not_orientable_manifolds_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be simplified: at 6 of its edges"):
        simplify(_strip(32, 1), 1e-2)
    ring = _strip(32, 0)
    fin = Mesh(
        np.vstack([ring.vertices, [[1, 0, 1]]]), np.vstack([ring.faces, [ring.faces[0, 0], ring.faces[0, 2], 224]])
    )
    with pytest.raises(UsageError, match="cannot be simplified"):
        simplify(fin, 1e-2)
    two = Mesh(np.vstack([ring.vertices, [[1, 0, 1], [1, 1, 1]]]), np.vstack([ring.faces, [0, 224, 225]]))
    with pytest.raises(UsageError, match="boundaries of the mesh meet in a vertex"):
        simplify(two, 1e-2)
