"""Triangles through points of a surface that may be open: those of the Delaunay complex that lie along it.

Amenta, Choi, Dey, Leekha 2000: A simple algorithm for homeomorphic surface reconstruction (Cocone).
"""

from __future__ import annotations

import itertools

import numpy as np

from inr.signals.solids.faces import Bools, Faces, Floats, Ints
from inr.signals.solids.scans import NEIGHBOURS, areas, is_planar

_CONE = np.cos(3 * np.pi / 8)
"""Largest cosine between the normal at a point and the direction to a place of the surface's dual there."""

_REACH = 2.0
"""Largest circumradius of a triangle, in spacings of its points: larger ones would close openings."""

_FAR = 1e9


def faces_of_cloud(points: Floats, normals: Floats) -> Faces:
    """Faces [F, 3] among different points [N, 3] with normals [N, 3] of any sign.

    A triangle of the Delaunay tetrahedra is kept if its dual, the line between the centres of the tetrahedra on both
    sides, passes the surface for each of its points, which is where the direction from the point is within pi/8 of
    the tangent plane, and if its circumradius is at most 2 spacings. Points in one plane are triangulated there. Faces
    are wound in any way, may leave holes, and edges may have more than two.
    """
    from scipy.spatial import Delaunay, cKDTree

    distance, _ = cKDTree(points).query(points, k=min(NEIGHBOURS + 1, len(points)))
    spacing = np.sqrt(areas(distance))
    if is_planar(points):
        _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
        faces = np.asarray(Delaunay(points @ axes[:2].T).simplices, np.int64)
    else:
        cells = Delaunay(points)
        faces, ends = _with_duals(points, np.asarray(cells.simplices, np.int64), np.asarray(cells.neighbors, np.int64))
        faces = faces[_is_along(points, normals, faces, ends)]
    kept: Faces = faces[_circumradius(points[faces]) <= _REACH * spacing[faces].max(axis=1)]
    return kept


def _with_duals(points: Floats, cells: Ints, beside: Ints) -> tuple[Faces, Floats]:
    """The triangles [F, 3] of tetrahedra [T, 4], and the ends [F, 2, 3] of their duals; at the hull one is far away."""
    centre = _circumcentres(points[cells])
    faces, ends = [], []
    for k, corners in enumerate(itertools.combinations(range(4), 3)):
        missing = 3 - k
        other = beside[:, missing]
        here = np.flatnonzero((other < 0) | (np.arange(len(cells)) < other))
        triangle = cells[here][:, corners]
        a, b, c = (points[triangle[:, i]] for i in range(3))
        across = np.cross(b - a, c - a)
        inwards = np.einsum("nd,nd->n", across, points[cells[here, missing]] - a) > 0
        across *= np.where(inwards, -1, 1)[:, None] / np.maximum(np.linalg.norm(across, axis=1), 1e-300)[:, None]
        there = np.where((other[here] < 0)[:, None], centre[here] + _FAR * across, centre[other[here]])
        faces.append(triangle)
        ends.append(np.stack([centre[here], there], axis=1))
    return np.concatenate(faces), np.concatenate(ends)


def _is_along(points: Floats, normals: Floats, faces: Faces, ends: Floats) -> Bools:
    """Which faces have a dual that passes the surface at all three points."""
    kept = np.ones(len(faces), bool)
    for k in range(3):
        p, n = points[faces[:, k]], normals[faces[:, k]]
        way = ends - p[:, None]
        way /= np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-300)
        cosine = np.einsum("fed,fd->fe", way, n)
        kept &= (cosine.min(axis=1) <= _CONE) & (cosine.max(axis=1) >= -_CONE)
    return kept


def _circumcentres(corners: Floats) -> Floats:
    """Centres [T, 3] of the spheres through tetrahedra [T, 4, 3]; far away for flat ones."""
    sides = corners[:, 1:] - corners[:, :1]
    square = (sides**2).sum(axis=2) / 2
    volume = np.linalg.det(sides)
    length = np.abs(sides).max(axis=(1, 2))
    flat = np.abs(volume) < 1e-12 * length**3
    sides[flat] = np.eye(3)
    centre = np.linalg.solve(sides, square[..., None])[..., 0]
    centre[flat] = _FAR
    return np.asarray(corners[:, 0] + centre)


def _circumradius(corners: Floats) -> Floats:
    """Radii [F] of the circles through triangles [F, 3, 3]."""
    sides = [np.linalg.norm(corners[:, k] - corners[:, k - 1], axis=1) for k in range(3)]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return np.asarray(sides[0] * sides[1] * sides[2] / np.maximum(4 * area, 1e-300))
