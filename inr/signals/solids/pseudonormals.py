"""On which side of a closed surface a point lies, by the normal at the nearest point of it.  Bærentzen, Aanæs 2005."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inr.core.jit import compiled
from inr.kernels.face_tree import CORNER, FACE, SIDE
from inr.kernels.threads import in_parts
from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import Faces, Floats, Ints

_LEAST_POINTS = 4096  # of a thread


class Pseudonormals:
    """The normals of faces, of edges (the sum of their faces') and of vertices (the sum weighted by the angles)."""

    def __init__(self, vertices: Floats, faces: Faces, edges: Edges) -> None:
        start = np.cumsum(edges.n_faces) - edges.n_faces
        self._arrays = vertices, faces, _at_vertices(vertices, faces), edges.of_side, start, edges.n_faces, edges.order

    def signs(self, x: Floats, at: Floats, face: Ints, where: Ints) -> Floats:
        """-1 behind the surface, else 1, for points x [N, 3] whose nearest point is `at` (see `FaceTree.nearest`)."""
        n, signs = len(x), np.empty(len(x))
        in_parts(
            lambda k, of: _signs(*self._arrays, x, at, face, where, k * n // of, (k + 1) * n // of, signs),
            n,
            _LEAST_POINTS,
        )
        return signs


@compiled
def _normal(vertices: Any, faces: Any, f: Any) -> Any:
    """Of unit length; 0 for a face without area."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
    vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(x * x + y * y + z * z)
    scale = 1 / length if length > 0 else 0.0
    return x * scale, y * scale, z * scale


@compiled
def _at_vertices(vertices: Any, faces: Any) -> Any:
    normals = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        nx, ny, nz = _normal(vertices, faces, f)
        for k in range(3):
            a, b, c = faces[f, k], faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
            along = square_u = square_v = 0.0
            for d in range(3):
                u, v = vertices[b, d] - vertices[a, d], vertices[c, d] - vertices[a, d]
                along, square_u, square_v = along + u * v, square_u + u * u, square_v + v * v
            size = math.sqrt(square_u * square_v)
            if size > 0:
                angle = math.acos(min(1.0, max(-1.0, along / size)))
                normals[a, 0] += angle * nx
                normals[a, 1] += angle * ny
                normals[a, 2] += angle * nz
    return normals


@compiled
def _signs(
    vertices: Any,
    faces: Any,
    at_vertices: Any,
    of_side: Any,
    start: Any,
    n_faces: Any,
    order: Any,
    x: Any,
    at: Any,
    face: Any,
    where: Any,
    begin: Any,
    end: Any,
    signs: Any,
) -> None:
    for i in range(begin, end):
        f, place = np.int64(face[i]), np.int64(where[i])
        if place == FACE:
            nx, ny, nz = _normal(vertices, faces, f)
        elif place < SIDE:
            v = faces[f, place - CORNER]
            nx, ny, nz = at_vertices[v, 0], at_vertices[v, 1], at_vertices[v, 2]
        else:
            edge = of_side[3 * f + place - SIDE]
            nx = ny = nz = 0.0
            for k in range(start[edge], start[edge] + n_faces[edge]):
                mx, my, mz = _normal(vertices, faces, order[k] // 3)
                nx, ny, nz = nx + mx, ny + my, nz + mz
        along = (x[i, 0] - at[i, 0]) * nx + (x[i, 1] - at[i, 1]) * ny + (x[i, 2] - at[i, 2]) * nz
        signs[i] = -1.0 if along < 0 else 1.0
