"""Triangles of polygons: checked indices and positions, and cuts that stay inside of concave outlines."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]

_STRICTLY = 1e-9


@dataclasses.dataclass(frozen=True)
class MeshData:
    """What a mesh file holds. vertices [V, 3], each used by a face; faces [F, 3]; notes: what a user should know."""

    vertices: Floats
    faces: Faces
    notes: tuple[str, ...] = ()


def mesh_of(vertices: Floats, corners: Faces, sizes: Faces | None = None, notes: tuple[str, ...] = ()) -> MeshData:
    """A mesh from polygons: `corners` are vertex indices, polygon after polygon, of `sizes` corners each (None: 3).

    Raises ValueError for an index that is out of range, and a used vertex that is not finite.
    """
    corners = np.asarray(corners, np.int64).ravel()
    vertices = np.asarray(vertices, np.float64).reshape(-1, 3)
    outside = (corners < 0) | (corners >= len(vertices))
    if outside.any():
        place = int(outside.argmax())
        face = place // 3 if sizes is None else int(np.searchsorted(np.cumsum(sizes), place, "right"))
        raise ValueError(
            f"face {face + 1} has the vertex index {corners[place]}, expected 0 to {len(vertices) - 1}, "
            f"since there are {len(vertices)} vertices"
        )
    is_used = np.zeros(len(vertices), bool)
    is_used[corners] = True
    wrong = ~np.isfinite(vertices).all(axis=1) & is_used
    if wrong.any():
        which = int(wrong.argmax())
        x, y, z = vertices[which].tolist()
        raise ValueError(f"vertex {which + 1} of {len(vertices)} is ({x:g}, {y:g}, {z:g}), expected finite coordinates")
    kept = vertices[is_used]
    corners = (np.cumsum(is_used) - 1)[corners]
    faces = corners.reshape(-1, 3) if sizes is None else triangulate(kept, corners, np.asarray(sizes, np.int64))
    return MeshData(kept, faces, notes)


def triangulate(vertices: Floats, corners: Faces, sizes: Faces) -> Faces:
    """Triangles [sum(sizes - 2), 3] of polygons of at least three corners, in their order and winding.

    Every corner is kept, so that neighbours still meet edge to edge. Strictly convex polygons become fans; others are
    cut in the plane of their mean normal by manifold3d, whose triangles stay inside the outline.
    """
    if (sizes == 3).all():
        return corners.reshape(-1, 3)
    start, first = np.cumsum(sizes) - sizes, np.cumsum(sizes - 2) - (sizes - 2)
    faces = np.empty((int((sizes - 2).sum()), 3), np.int64)
    for n in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == n)
        outlines = corners[start[which][:, None] + np.arange(n)]
        fan = np.stack([np.zeros(n - 2, np.int64), np.arange(1, n - 1), np.arange(2, n)], axis=1)
        cut = outlines[:, fan]
        if n > 3:
            for i, flat in _concave(vertices[outlines]):
                triangles = _ears(flat)
                if len(triangles) == n - 2:
                    cut[i] = outlines[i][triangles]
        faces[first[which][:, None] + np.arange(n - 2)] = cut
    return faces


def _concave(points: Floats) -> list[tuple[int, Floats]]:
    """(which, its corners in a plane [n, 2], counter-clockwise) of the outlines [K, n, 3] that a fan may not cut."""
    p = points - points[:, :1]
    p = p / np.maximum(np.abs(p).max(axis=(1, 2), keepdims=True), 1e-300)
    after = np.roll(p, -1, axis=1)
    normal = np.cross(p, after).sum(axis=1)
    corner = np.einsum("kni,ki->kn", np.cross(p - np.roll(p, 1, axis=1), after - p), normal)
    slice_of_fan = np.einsum("kni,ki->kn", np.cross(p[:, 1:-1], p[:, 2:]), normal)
    size = np.einsum("ki,ki->k", normal, normal)
    limit = _STRICTLY * size[:, None]
    is_fan = (corner > limit).all(axis=1) & (slice_of_fan > limit).all(axis=1)
    found = []
    for i in np.flatnonzero(~is_fan & (size > 0)).tolist():
        axis = int(np.abs(normal[i]).argmax())
        plane = [(axis + 1) % 3, (axis + 2) % 3]
        found.append((i, p[i][:, plane if normal[i, axis] > 0 else plane[::-1]]))
    return found


def _ears(outline: Floats) -> Faces:
    import manifold3d

    return np.asarray(manifold3d.triangulate([outline], allow_convex=False), np.int64).reshape(-1, 3)
