"""How open surfaces are: closed, with small holes, half a ball, a sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trimesh

from inr.signals.solids.openings import Openings, openings_of


def of(mesh: Any, keep: Callable[[Any], Any] = lambda c: c[:, 0] > -9) -> Openings:
    faces = np.asarray(mesh.faces, np.int64)[keep(mesh.triangles_center)]
    return openings_of(np.asarray(mesh.vertices, np.float64), faces)


BALL = trimesh.creation.icosphere(3)
HOLES = np.concatenate([np.eye(3), -np.eye(3)])[[0, 1, 5]]


def sheet(height: float = 0.0, wave: float = 0.1) -> Any:
    plate = trimesh.creation.box((1, 1, 1e-9)).subdivide().subdivide()
    kept = plate.faces[plate.triangles_center[:, 2] > 0]
    kept = kept[np.abs(plate.face_normals[plate.triangles_center[:, 2] > 0, 2]) > 0.9]
    made = trimesh.Trimesh(plate.vertices, kept, process=False)
    made.vertices += [0, 0, height]
    made.vertices[:, 2] += wave * np.sin(5 * made.vertices[:, 0])
    made.remove_unreferenced_vertices()
    return made


def book() -> Any:
    below = sheet()
    below.invert()
    return trimesh.util.concatenate([sheet(0.1), below])


def figure() -> Any:
    """A body with a head, arms and legs."""
    limbs = [((0, 0, 0.9), (0.45, 0.4, 0.5)), ((0, -0.9, 0.2), (0.2, 0.7, 0.2)), ((0, 0.9, 0.2), (0.2, 0.7, 0.2))]
    limbs += [((0, -0.35, -1.1), (0.22, 0.25, 0.8)), ((0, 0.35, -1.1), (0.22, 0.25, 0.8)), ((0, 0, 0), (0.5, 0.6, 0.9))]
    parts = []
    for middle, radii in limbs:
        part = trimesh.creation.icosphere(4)
        part.apply_transform(np.diag([*radii, 1.0]))
        part.apply_translation(middle)
        parts.append(part)
    return trimesh.boolean.union(parts, engine="manifold")


TIPS = np.array([[0, 0, 1.4], [0, -1.6, 0.2], [0, 0.35, -1.9]])
"""Of the head, a hand and a foot of the figure."""

CASES: dict[str, tuple[Openings, str, int]] = {
    "ball": (of(BALL), "closed", 0),
    "ball without 5 %": (of(BALL, lambda c: c[:, 2] < 0.9), "holes", 1),
    "ball with three holes": (of(BALL, lambda c: (c @ HOLES.T < 0.95).all(axis=1)), "holes", 3),
    "figure": (of(figure()), "closed", 0),
    "figure with three holes": (
        of(figure(), lambda c: np.linalg.norm(c[:, None] - TIPS, axis=2).min(axis=1) > 0.12),
        "holes",
        3,
    ),
    "half a ball": (of(BALL, lambda c: c[:, 2] > 0), "open", 1),
    "sheet": (of(sheet()), "open", 1),
    "flat sheet": (of(sheet(wave=0.0)), "open", 1),
    "book": (of(book()), "open or doubtful", 2),
    "pipe": (of(trimesh.creation.cylinder(0.5, 2), lambda c: np.abs(c[:, 2]) < 0.99), "doubtful", 2),
}


@pytest.mark.parametrize("name", CASES)
def test_kinds_of_openings(name: str) -> None:
    found, expected, n_loops = CASES[name]
    assert found.n_loops == n_loops
    what = "open" if found.is_sheet else "doubtful" if found.is_doubtful else "holes" if n_loops else "closed"
    assert what in expected


def test_the_share_inside_is_that_of_the_volume() -> None:
    assert CASES["ball"][0].inside == pytest.approx(np.pi / 6, abs=0.03)
    assert CASES["ball"][0].undecided == 0
