"""Fewer triangles for the same surface, within a measured tolerance.

Edges are collapsed by libigl's quadric error metric: Garland, Heckbert 1997, Surface simplification using quadric error
metrics.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np

from inr.core.errors import UsageError
from inr.mesh._octree_grid import Ints, Reals
from inr.mesh._patches import described
from inr.mesh.extract import Mesh, MeshResult
from inr.mesh.march import is_closed
from inr.mesh.measure import measure
from inr.mesh.project import face_normals, unit

M = TypeVar("M", bound=Mesh)

_FIRST, _LAST, _TRIES = 0.25, 0.8, 10  # share of the faces that is kept by a step: of the first, and of the finest
_FEWEST = 4
_HINT = "another `resolution` may give a mesh without; a `shell` around an open surface is closed and can be simplified"


def simplify(mesh: M, tolerance: float) -> tuple[M, float]:
    """The mesh with as few faces as a measured deviation of at most `tolerance` allows, and that deviation.

    Steps that each keep a share of the faces, a quarter at first; a step that deviates more, or is not closed where
    the mesh is, is undone, and the share goes up. Deviation: the largest distance from vertices, middles of edges and
    middles of faces of either mesh to the other, in the units of the mesh. It is measured against the mesh that was
    given, so errors of steps do not add up. Normals are new, those of the faces around each vertex; colours are those
    of the vertex that remained; boundaries stay boundaries. Raises UsageError for a tolerance that is not positive, and
    for a mesh that is not an orientable manifold, as open surfaces can be: collapses of its edges are not defined.
    """
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise UsageError(f"`simplify` is {tolerance:g}, expected a positive distance")
    was_closed = is_closed(mesh.faces)
    if not was_closed:
        _check_sides(mesh.faces)
    best, best_deviation, share = mesh, 0.0, _FIRST
    for _ in range(_TRIES):
        target = max(_FEWEST, int(len(best.faces) * share))
        if target >= len(best.faces):
            break
        vertices, faces, birth = _collapsed(best, target)
        if not len(faces):
            raise UsageError("boundaries of the mesh meet in a vertex: it cannot be simplified", _HINT)
        deviation = max(_farthest(mesh, vertices, faces), _farthest(Mesh(vertices, faces), mesh.vertices, mesh.faces))
        if len(faces) < len(best.faces) and deviation <= tolerance and (is_closed(faces) or not was_closed):
            colors = None if best.colors is None else best.colors[birth]
            normals = None if best.normals is None else unit(face_normals(vertices, faces))
            best = dataclasses.replace(best, vertices=vertices, faces=faces, normals=normals, colors=colors)
            best_deviation = deviation
        else:
            share = share**0.5
            if share > _LAST:
                break
    return _measured(best), best_deviation


def _measured(mesh: M) -> M:
    """The same mesh with its volume and parts counted anew, if it has these."""
    if not isinstance(mesh, MeshResult):
        return mesh
    found = measure(mesh.vertices, mesh.faces)
    return dataclasses.replace(
        mesh,
        is_closed=is_closed(mesh.faces),
        volume=found.volume,
        n_components=found.n_components,
        n_cavities=found.n_cavities,
        open=None
        if mesh.open is None
        else described(mesh.vertices, mesh.faces, mesh.open.is_orientable, mesh.open.error),
    )


def _check_sides(faces: Ints) -> None:
    """Raise UsageError if faces [F, 3] pass an edge twice in one direction: they are three or more, or wound against
    each other. Quadrics of such a mesh are refused by libigl, or collapsed without end."""
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    n = len(sides) - len(np.unique(sides[:, 0] * (int(faces.max(initial=0)) + 1) + sides[:, 1]))
    if n:
        raise UsageError(
            f"the mesh cannot be simplified: at {n} of its edges three faces meet, or two of opposite orientation",
            _HINT,
        )


def _collapsed(mesh: Mesh, target: int) -> tuple[Reals, Ints, Ints]:
    """Vertices, faces, and the vertex of `mesh` that each vertex came from."""
    import igl

    vertices, faces = np.asfortranarray(mesh.vertices), np.asfortranarray(mesh.faces.astype(np.int32))
    u, g, _, birth = igl.qslim(vertices, faces, target)
    return np.ascontiguousarray(u), np.ascontiguousarray(g, np.int64), np.asarray(birth, np.int64)


def _farthest(mesh: Mesh, vertices: Reals, faces: Ints) -> float:
    """The largest distance from places of a mesh to triangles."""
    import igl

    corners = mesh.vertices[mesh.faces]
    middles = (corners + np.roll(corners, 1, axis=1)).reshape(-1, 3) / 2
    places = np.concatenate([mesh.vertices, corners.mean(axis=1), middles])
    squared = igl.point_mesh_squared_distance(places, np.ascontiguousarray(vertices), np.ascontiguousarray(faces))[0]
    return float(np.sqrt(max(0.0, float(squared.max()))))
