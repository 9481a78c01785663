"""Checks of meshes with known faults."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from inr.mesh import Mesh, check_mesh


def _mesh(made: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, np.int64))


def _joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + start for m, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


BOX = _mesh(trimesh.creation.box((1.0, 2.0, 3.0)))
RING = _mesh(trimesh.creation.torus(1.0, 0.3, major_sections=24, minor_sections=12))


def test_a_box_is_sound() -> None:
    found = check_mesh(BOX)
    assert found.is_sound
    assert (found.n_crossings, found.n_components, found.genus) == (0, 1, 0)
    assert found.volume == pytest.approx(6)
    assert found.area == pytest.approx(22)
    assert found.min_angle_deg == pytest.approx(np.degrees(np.arctan(1 / 3)), abs=0.1)


def test_genus_counts_handles_of_all_components() -> None:
    apart = Mesh(RING.vertices + np.array([5.0, 0, 0]), RING.faces)
    assert check_mesh(RING).genus == 1
    both = check_mesh(_joined(RING, apart, Mesh(BOX.vertices + np.array([0, 9.0, 0]), BOX.faces)))
    assert (both.genus, both.n_components, both.n_crossings) == (2, 3, 0)


def test_unused_vertices_do_not_matter() -> None:
    assert check_mesh(Mesh(np.concatenate([[[9.0, 9, 9]], BOX.vertices]), BOX.faces + 1)) == check_mesh(BOX)


def test_a_hole_is_open() -> None:
    found = check_mesh(Mesh(BOX.vertices, BOX.faces[1:]))
    assert not found.is_closed
    assert not found.is_sound
    assert found.is_edge_manifold
    assert found.genus is None


def test_a_turned_face_is_not_manifold() -> None:
    faces = BOX.faces.copy()
    faces[0] = faces[0][::-1]
    found = check_mesh(Mesh(BOX.vertices, faces))
    assert found.is_closed
    assert not found.is_edge_manifold


def test_boxes_that_share_an_edge_or_a_vertex_are_not_manifold() -> None:
    vertices = np.unique(np.concatenate([BOX.vertices, BOX.vertices + np.array([1.0, 2.0, 0])]), axis=0)

    def welded(shift: tuple[float, float, float]) -> Mesh:
        corners = _joined(BOX, Mesh(BOX.vertices + np.array(shift), BOX.faces))
        vertices, of = np.unique(corners.vertices, axis=0, return_inverse=True)
        return Mesh(vertices, of.reshape(-1)[corners.faces])

    assert len(vertices) == 14
    at_edge, at_vertex = check_mesh(welded((1.0, 2.0, 0.0))), check_mesh(welded((1.0, 2.0, 3.0)))
    assert not at_edge.is_edge_manifold
    assert at_vertex.is_closed
    assert at_vertex.is_edge_manifold
    assert not at_vertex.is_vertex_manifold
    assert not at_vertex.is_sound


def test_boxes_that_cross_are_counted() -> None:
    """Two equal boxes, one moved out of the other: faces of one cross faces of the other in trimesh too."""
    found = check_mesh(_joined(BOX, Mesh(BOX.vertices + np.array([0.3, 0.7, 1.1]), BOX.faces)))
    assert found.n_crossings > 0
    assert found.is_sound  # each is closed; crossings are another matter
    assert found.n_components == 2
