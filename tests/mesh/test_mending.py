"""Boundaries that run inside an open surface: slits, and faces that lie over others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.mesh.mending import glued, peeled, slits_joined, without_layers
from tests.mesh import open_surfaces as made

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


def wheel(first: float, last: float, n: int = 8) -> tuple[Floats, Ints]:
    """A fan of n faces around the vertex 0, in a plane, between two angles in degrees."""
    angles = np.radians(np.linspace(first, last, n + 1))
    around = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return np.concatenate([np.zeros((1, 3)), around]), np.array([[0, k, k + 1] for k in range(1, n + 1)], np.int64)


@pytest.mark.parametrize("last", [330.0, 380.0])
def test_a_slit_is_joined_whether_its_sides_part_or_lie_over_each_other(last: float) -> None:
    vertices, faces = wheel(0, last)
    joined = slits_joined(vertices, faces, np.array([0]), 1.0)
    sides = np.sort(joined[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(sides, axis=0, return_counts=True)
    assert len(joined) == len(faces)
    assert (count[(edges == 0).any(axis=1)] == 2).all()


def test_a_corner_of_a_sheet_is_not_joined() -> None:
    vertices, faces = wheel(0, 40)
    assert (slits_joined(vertices, faces, np.array([0]), 1.0) == faces).all()


def test_a_face_that_lies_over_another_one_at_an_edge_of_three_is_left_out() -> None:
    vertices, faces = wheel(0, 330)
    over = np.append(vertices, [[0.5, 0.4, 0.05]], axis=0)
    kept = without_layers(over, np.append(faces, [[0, 2, len(vertices)]], axis=0), 1.0)
    assert len(kept) == len(faces)
    assert not (kept == len(vertices)).any()


def test_three_sheets_that_meet_keep_their_faces() -> None:
    mesh = made.junction_mesh(10.0)
    assert (without_layers(mesh.vertices, mesh.faces, 1.0) == mesh.faces).all()


@pytest.mark.parametrize(("gap", "n_joined"), [(0.3, 5), (0.8, 0)])
def test_a_sheet_that_ends_within_half_a_cell_of_another_one_is_joined_to_it(gap: float, n_joined: int) -> None:
    at = np.arange(7.0)
    u, v = (axis.ravel() for axis in np.meshgrid(at, at, indexing="ij"))
    i = np.arange(49).reshape(7, 7)
    corners = (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:])
    half = np.concatenate([np.stack([corners[k] for k in t], axis=-1).reshape(-1, 3) for t in ((0, 1, 2), (0, 2, 3))])
    floor, wall = np.stack([u, v, 0 * u], axis=1), np.stack([0 * u + 3.1, u, v + gap], axis=1)
    faces = glued(np.concatenate([floor, wall]), np.concatenate([half, half + 49]), np.empty(0, np.int64), 1.0)
    bottom = 49 + 7 * np.arange(7)
    assert np.isin(bottom, faces).sum() == 7 - n_joined
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(sides, axis=0, return_counts=True)[1] > 2).sum() == max(n_joined - 1, 0)


@pytest.mark.parametrize(("last", "n_lost"), [(350.0, 1), (300.0, 0)])
def test_a_full_turn_of_faces_around_a_vertex_of_the_boundary_loses_one(last: float, n_lost: int) -> None:
    vertices, faces = wheel(0, last)
    assert len(peeled(vertices, faces, np.array([0]), 1.0)) == len(faces) - n_lost
