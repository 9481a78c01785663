"""Signs of the solid of a cloud whose mesh has a fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh

from inr.core.domain import Domain, Frame
from inr.signals.points import _mesh_in
from inr.signals.solids.cloud_mesh import CloudBoundary

RADIUS = 0.3


def folded_sphere() -> tuple[Any, Any]:
    """A sphere around (1/2, 1/2, 1/2). The faces at its top vertex are raised and mirrored, so they face inwards."""
    mesh = trimesh.creation.icosphere(5, RADIUS)
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces)
    top = int(np.argmax(vertices[:, 2]))
    ring = np.setdiff1d(faces[(faces == top).any(axis=1)], [top])
    vertices[ring, 0] *= -1
    vertices[ring, 2] += 0.006
    vertices[top, 2] += 0.009
    return vertices + 0.5, faces


def test_a_fold_does_not_turn_the_sign_of_places_that_are_nearest_to_it() -> None:
    vertices, faces = folded_sphere()
    boundary = CloudBoundary(vertices, faces, vertices, faces, n_flipped=0, buried=0.0, is_cut=False)
    domain = Domain((0.0,) * 3, (1.0,) * 3, ("x", "y", "z"), "mesh units")
    frame = Frame(domain, (0.0,), (1.0,))
    points = vertices[:100]
    solid, _, _ = _mesh_in(frame, points, points, through=lambda *a, **k: boundary, noise=0.0, measured=points)
    rng = np.random.default_rng(0)
    way = rng.normal(size=(100_000, 3)) * [0.15, 0.15, 0] + [0, 0, 1]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    outside = 0.5 + way * rng.uniform(RADIUS + 0.06, 0.49, (len(way), 1))
    assert (solid.distance(outside) > 0).all()
    assert (solid.distance(0.5 + way * rng.uniform(0, RADIUS - 0.06, (len(way), 1))) < 0).all()
