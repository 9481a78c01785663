"""The nearest faces by the tree, against libigl's tree and closed forms."""

from __future__ import annotations

from typing import Any

import igl
import numpy as np
import pytest
import torch
import trimesh

from inr.kernels.face_tree import CORNER, FACE, SIDE, FaceTree

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)


def mesh_of(made: trimesh.Trimesh) -> tuple[Array, Array]:
    return np.array(made.vertices, np.float64), np.array(made.faces, np.int64)


def slivers(n: int) -> tuple[Array, Array]:
    """Long triangles, down to a thickness of 1e-5: the formula, which is libigl's too, loses digits in thinner ones."""
    start, along = RANDOM.random((n, 1, 3)), RANDOM.normal(size=(n, 1, 3))
    thin = RANDOM.normal(size=(n, 1, 3)) * 10.0 ** RANDOM.uniform(-5, -1, (n, 1, 1))
    corners = np.concatenate([start, start + along, start + along / 2 + thin], axis=1)
    return corners.reshape(-1, 3), np.arange(3 * n).reshape(-1, 3)


def equal_faces(n: int) -> tuple[Array, Array]:
    """One triangle n times: no split separates them."""
    return np.eye(3), np.tile(np.arange(3), (n, 1))


MESHES = {
    "one face": mesh_of(trimesh.Trimesh(np.eye(3), [[0, 1, 2]])),
    "box": mesh_of(trimesh.creation.box()),
    "ball": mesh_of(trimesh.creation.icosphere(subdivisions=5)),
    "rod": mesh_of(trimesh.creation.cylinder(0.01, 100, sections=200)),
    "slivers": slivers(2000),
    "equal faces": equal_faces(500),
    "large coordinates": (slivers(500)[0] + 1e4, slivers(500)[1]),
}


@pytest.mark.parametrize("name", MESHES)
def test_distances_are_libigls(name: str) -> None:
    vertices, faces = MESHES[name]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    anywhere = low + (high - low) * RANDOM.uniform(-1, 2, (3000, 3))
    near = vertices[faces[RANDOM.integers(len(faces), size=3000)]].mean(axis=1) + 1e-6 * RANDOM.normal(size=(3000, 3))
    x = np.concatenate([anywhere, near, vertices[:500]])
    at, squared, face, where = FaceTree(vertices, faces).nearest(x)
    tree = igl.AABB()
    tree.init(vertices, faces)
    true = np.sqrt(tree.squared_distance(vertices, faces, x)[0])
    size = float(np.abs(vertices).max())
    assert np.abs(np.sqrt(squared) - true).max() <= 1e-10 * size
    assert np.abs(np.linalg.norm(x - at, axis=1) - true).max() <= 1e-10 * size
    own = igl.point_mesh_squared_distance(at, vertices, faces)[0]
    assert np.sqrt(own.max()) <= 1e-7 * size  # the nearest points are on the faces
    corners = vertices[faces[face]]
    k = np.clip(where - CORNER, 0, 2)
    is_corner = (where >= CORNER) & (where < SIDE)
    assert np.abs(at - corners[np.arange(len(x)), k])[is_corner].max(initial=0) <= 1e-10 * size
    k = np.clip(where - SIDE, 0, 2)
    start, end = corners[np.arange(len(x)), k], corners[np.arange(len(x)), (k + 1) % 3]
    detour = np.linalg.norm(at - start, axis=1) + np.linalg.norm(at - end, axis=1) - np.linalg.norm(end - start, axis=1)
    assert np.abs(detour[where >= SIDE]).max(initial=0) <= 1e-10 * size


def test_a_box_has_its_places() -> None:
    vertices, faces = mesh_of(trimesh.creation.box((2, 2, 2)))
    tree = FaceTree(vertices, faces)
    at, squared, _, where = tree.nearest(np.array([[2, 2, 2], [0.3, 2, 2], [0.3, 0.5, 3]]))
    assert at == pytest.approx(np.array([[1, 1, 1], [0.3, 1, 1], [0.3, 0.5, 1]]))
    assert squared == pytest.approx([3, 2, 4])
    assert CORNER <= where[0] < SIDE
    assert where[1] >= SIDE
    assert where[2] == FACE
    assert all(len(found) == 0 for found in tree.nearest(np.zeros((0, 3))))


def test_the_result_does_not_depend_on_threads_or_other_points() -> None:
    """Nor do ties: every corner of a ball is equally far from several faces."""
    vertices, faces = MESHES["ball"]
    x = np.concatenate([vertices * 1.5, vertices * 0.5, RANDOM.random((2000, 3))])
    before = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            found.append(FaceTree(vertices, faces).nearest(x))
    finally:
        torch.set_num_threads(before)
    chosen = RANDOM.permutation(len(x))
    again = FaceTree(vertices, faces).nearest(x[chosen])
    for one, two, five, other in zip(*found, again, strict=True):
        assert one.tobytes() == two.tobytes() == five.tobytes()
        assert other.tobytes() == one[chosen].tobytes()
