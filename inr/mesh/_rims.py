"""Boundaries of an open surface: vertices on them moved to where the surface ends, edges on them split at corners."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, PointEvaluator, Reals
from inr.mesh._patches import Sides
from inr.mesh._tangent_planes import step_at
from inr.mesh.project import face_normals, unit

_BEYOND = (0.75, 1.0, 1.25, 1.5)
"""How far beyond the rim, in cells, its place is looked for from."""
_AROUND, _TURNS = (1.0, 1.5, 2.0), 12
"""The same around a vertex in the plane of its faces, where its place is not known in the first way; and directions."""
_ROUNDS = 2
_FARTHEST = 1.5  # cells that a vertex is moved
_STILL_ON = 0.1  # distance from the surface, in cells, that a move may leave
_ERRORS = 1.25  # errors of the field that it may leave, if that is more
_SAME, _AGREE = 0.15, 3  # spread of feet, in cells, that are the same; and how many of them there must be
_AWAY = 0.3  # distance of such a point from the surface, in lengths of its way, at least; and slope there
_INWARD, _ON = 0.4, 0.2  # cells from a foot on the rim into the surface; distance from it there
_OFF = 0.15  # distance of the rim from the middle of an edge, in cells, from which the edge is split
_TURNED = 0.04  # determinant of the directions of two lines, of their squared trace, from which they are two
_BESIDE = 0.3, 1.5  # cells from a corner in which vertices are moved to the rim beside it
_IN_LINES = 0.25  # distance of a corner from the lines that meet in it, in cells, at most
_FOLDED = 0.1  # cosine between the normals of a face before and after a move


def moved_to_rim(
    vertices: Reals,
    faces: Ints,
    sample: PointEvaluator,
    spacing: float,
    noise: float = 0.0,
    allowed: Ints | None = None,
) -> Reals:
    """The vertices [V, 3] with those of the boundary moved to where the surface ends; of these only the ones whose
    numbers are in `allowed`, if it is given.

    The way is that of `_ends`, from points beyond a vertex v in the direction away from the faces around it. Where that
    finds none, as in a notch, the nearest end that is seen from points around v in the plane of its faces is taken. A
    move that turns a face over is not made. This is done twice. noise: error of the field on its surface, in cells.
    """
    near = max(_STILL_ON, _ERRORS * noise) * spacing
    at = np.unique(Sides.of(faces).rim(faces))
    at = at if allowed is None else np.intersect1d(at, allowed)
    if not len(at):
        return vertices
    for _ in range(_ROUNDS):
        away = unit(vertices[at] - _middles_around(vertices, faces)[at])
        ends, is_seen = _ends(vertices[at], away, sample, spacing)
        lost = np.flatnonzero(~is_seen)
        ends[lost] = _nearest_ends(vertices[at[lost]], face_normals(vertices, faces)[at[lost]], sample, spacing)
        before, after = np.split(sample(np.concatenate([vertices[at], ends]), "rim"), 2)
        better = after <= np.maximum(before, near)
        moved = vertices.copy()
        moved[at[better]] = ends[better]
        is_on = np.zeros(len(vertices), dtype=bool)
        is_on[at[before < near]] = True
        vertices = _unfolded(vertices, moved, faces, is_on)
    return vertices


def rim_split(vertices: Reals, faces: Ints, sample: PointEvaluator, spacing: float) -> tuple[Reals, Ints]:
    """The mesh with those edges of the boundary split whose middle is not on the rim, as near a corner: the rim's place
    there becomes a vertex. Beyond the edge it makes a new face, on the other side it cuts the face in two."""
    for _ in range(_ROUNDS):
        sides = Sides.of(faces)
        face, corner = np.divmod(sides.order[sides.first[sides.count == 1]], 3)
        a, b, opposite = (faces[face, (corner + k) % 3] for k in range(3))
        middle = (vertices[a] + vertices[b]) / 2
        along = unit(vertices[b] - vertices[a])
        away = middle - vertices[opposite]
        away = unit(away - np.einsum("nd,nd->n", away, along)[:, None] * along)
        ends, is_seen = _ends(middle, away, sample, spacing)
        way = ends - middle
        across = way - np.einsum("nd,nd->n", way, along)[:, None] * along
        off = np.einsum("nd,nd->n", across, away)
        wanted = is_seen & (np.abs(off) > _OFF * spacing) & (np.abs(off) > 0.7 * np.linalg.norm(across, axis=1))
        wanted &= np.abs(np.einsum("nd,nd->n", way, along)) < 0.45 * np.linalg.norm(vertices[b] - vertices[a], axis=1)
        wanted &= sample(ends, "rim") < _STILL_ON * spacing
        outer, inner = np.flatnonzero(wanted & (off > 0)), np.flatnonzero(wanted & (off < 0))
        inner = inner[np.unique(face[inner], return_index=True)[1]]
        apart = np.linalg.norm(ends[inner] - vertices[opposite[inner]], axis=1)
        inner = inner[apart > _OFF * spacing]
        if not len(outer) + len(inner):
            break
        first, second = len(vertices), len(vertices) + len(outer)
        new = np.arange(second, second + len(inner))
        added = [
            np.stack([b[outer], a[outer], np.arange(first, second)], axis=1),
            np.stack([a[inner], new, opposite[inner]], axis=1),
            np.stack([new, b[inner], opposite[inner]], axis=1),
        ]
        vertices = np.concatenate([vertices, ends[outer], ends[inner]])
        faces = np.concatenate([np.delete(faces, face[inner], axis=0), *added])
    return vertices, faces


def moved_to_corners(vertices: Reals, faces: Ints, sample: PointEvaluator, spacing: float) -> Reals:
    """The vertices [V, 3] with those of the boundary that are nearest to a concave corner of the rim moved there.

    From points q around a vertex in the plane of its faces, the rim is seen at feet f across unit slopes g: it lies in
    the lines (x - f) . g = 0. Where these have two directions, the corner is their point of least squares, in the plane
    of the faces. Beside it, vertices are moved to the nearest foot. Convex corners are feet themselves, which
    `moved_to_rim` finds.
    """
    at = np.unique(Sides.of(faces).rim(faces))
    if not len(at):
        return vertices
    x, normal = vertices[at], unit(face_normals(vertices, faces)[at])
    one, two = _across(normal)
    angles = 2 * np.pi * np.arange(_TURNS) / _TURNS
    ways = (np.cos(angles)[:, None, None] * one + np.sin(angles)[:, None, None] * two) * spacing
    q = np.clip(x + np.concatenate([radius * ways for radius in _AROUND[:2]]), 0, 1)
    feet, slopes, good = (
        a.reshape(len(q), len(x), -1) for a in _feet(q.reshape(-1, 3), _AWAY * spacing, sample, spacing)
    )
    away = feet - x
    weight = good[..., 0] & (np.linalg.norm(away, axis=2) < _FARTHEST * spacing)
    a, b = (np.where(weight, np.einsum("kni,ni->kn", slopes, axis), 0.0) for axis in (one, two))
    c = np.where(weight, np.einsum("kni,kni->kn", slopes, away), 0.0)
    aa, ab, bb, ac, bc = ((u * v).sum(axis=0) for u, v in ((a, a), (a, b), (b, b), (a, c), (b, c)))
    det = aa * bb - ab * ab
    is_corner = det > _TURNED * np.maximum(aa + bb, 1e-300) ** 2
    s = (bb * ac - ab * bc) / np.where(is_corner, det, 1.0)
    t = (aa * bc - ab * ac) / np.where(is_corner, det, 1.0)
    off = np.abs(a * s + b * t - c).max(axis=0)
    length = np.hypot(s, t)
    is_corner &= (off < _IN_LINES * spacing) & (length < spacing) & (np.abs(c).max(axis=0) > _OFF / 2 * spacing)
    place = np.clip(x + s[:, None] * one + t[:, None] * two, 0, 1)
    found = np.flatnonzero(is_corner)
    found = found[sample(place[found], "rim") < _STILL_ON * spacing]
    found = found[np.argsort(length[found], kind="stable")]
    moved, taken = vertices.copy(), np.empty((0, 3))
    for k in found:
        if not len(taken) or np.linalg.norm(taken - place[k], axis=1).min() > spacing:
            taken = np.concatenate([taken, place[k : k + 1]])
            moved[at[k]] = place[k]
    apart = np.where(weight, np.linalg.norm(away, axis=2), np.inf)
    nearest, rows = apart.argmin(axis=0), np.arange(len(x))
    for k in np.flatnonzero((apart[nearest, rows] > _OFF * spacing) & (moved[at] == vertices[at]).all(axis=1)):
        foot = feet[nearest[k], k]
        gap = np.linalg.norm(taken - foot, axis=1).min() if len(taken) else np.inf
        if weight[nearest[k], k] and _BESIDE[0] * spacing < gap < _BESIDE[1] * spacing:
            moved[at[k]] = foot
    return _unfolded(vertices, moved, faces, np.ones(len(vertices), dtype=bool))


def _across(normal: Reals) -> tuple[Reals, Reals]:
    """Two unit directions [N, 3] across unit normals [N, 3] and each other."""
    one = unit(np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)]))
    return one, np.cross(normal, one)


def _ends(x: Reals, away: Reals, sample: PointEvaluator, spacing: float) -> tuple[Reals, Bools]:
    """Where the surface ends near points x [N, 3] of it in the directions `away` [N, 3], and whether that is seen.

    Points q = x + s away beyond the end have their nearest point of the surface q - u g, g = grad u, on the boundary.
    The surface ends across g, at x + ((q - x) . g - u) g: the mean over several s. Where most have the same foot
    q - u g, as at a corner of the boundary, it is that foot.
    """
    ways, feet = np.zeros((len(_BEYOND), len(x), 3)), np.full((len(_BEYOND), len(x), 3), np.nan)
    for k, s in enumerate(_BEYOND):
        q = np.clip(x + s * spacing * away, 0, 1)
        foot, slope, good = _feet(q, _AWAY * s * spacing, sample, spacing)
        length = np.einsum("nd,nd->n", foot - x, slope)
        good &= np.abs(length) < _FARTHEST * spacing
        ways[k, good] = (length[:, None] * slope)[good]
        feet[k, good] = foot[good]
    is_good = np.isfinite(feet)
    n_seen = is_good[..., 0].sum(axis=0)
    ends = x + ways.sum(axis=0) / np.maximum(n_seen, 1)[:, None]
    spread = np.where(is_good, feet, -np.inf).max(axis=0) - np.where(is_good, feet, np.inf).min(axis=0)
    agree = (n_seen >= _AGREE) & (spread.max(axis=1) < _SAME * spacing)
    ends[agree] = np.nansum(feet[:, agree], axis=0) / n_seen[agree, None]
    return ends, n_seen > 0


def _nearest_ends(x: Reals, normals: Reals, sample: PointEvaluator, spacing: float) -> Reals:
    """The nearest end of the surface to each point x [N, 3] of it, as seen from points around it across its normal;
    x itself where none is seen."""
    one, two = _across(unit(normals))
    angles = 2 * np.pi * np.arange(_TURNS) / _TURNS
    ways = (np.cos(angles)[:, None, None] * one + np.sin(angles)[:, None, None] * two) * spacing
    q = np.clip(x + np.concatenate([radius * ways for radius in _AROUND]), 0, 1)
    feet, _, good = _feet(q.reshape(-1, 3), _AWAY * spacing, sample, spacing)
    foot = feet.reshape(q.shape)
    distance = np.where(good.reshape(q.shape[:2]), np.linalg.norm(foot - x, axis=2), np.inf)
    nearest, rows = distance.argmin(axis=0), np.arange(len(x))
    is_seen = distance[nearest, rows] < _FARTHEST * spacing
    ends = np.where(is_seen[:, None], foot[nearest, rows], x)
    return ends


def _feet(q: Reals, least: float, sample: PointEvaluator, spacing: float) -> tuple[Reals, Reals, Bools]:
    """The feet [N, 3] on the surface of points q [N, 3], the unit slopes there, and whether the feet are on its rim.

    They are if q is farther off than `least` and the surface lies on the side of the foot that is away from q.
    """
    u = np.maximum(sample(q, "rim").astype(np.float64), 0)
    slope = sample.gradient(q, step_at(u, spacing))
    good = (u > least) & (np.linalg.norm(slope, axis=1) > _AWAY)
    slope = unit(slope)
    foot = q - u[:, None] * slope
    there = np.flatnonzero(good)
    inward = np.clip(foot[there] - _INWARD * spacing * slope[there], 0, 1)
    good[there] = sample(inward, "rim") < _ON * spacing
    return foot, slope, good


def _unfolded(vertices: Reals, moved: Reals, faces: Ints, is_on: Bools) -> Reals:
    """The moved vertices [V, 3]; those of faces that would be turned over at their former places, if `is_on` [V]."""
    before = _normals(vertices, faces)
    while True:
        turned = np.einsum("nd,nd->n", before, _normals(moved, faces)) < _FOLDED
        back = np.unique(faces[turned])
        back = back[is_on[back] & (moved[back] != vertices[back]).any(axis=1)]
        if not len(back):
            return moved
        moved[back] = vertices[back]


def _normals(vertices: Reals, faces: Ints) -> Reals:
    corners = vertices[faces]
    return unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _middles_around(vertices: Reals, faces: Ints) -> Reals:
    """The mean [V, 3] of the middles of the faces around each vertex, weighted by area; the vertex itself if none."""
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    middles = area[:, None] * corners.mean(axis=1)
    flat = faces.ravel()
    total = np.bincount(flat, np.repeat(area, 3), len(vertices))
    found = np.stack([np.bincount(flat, np.repeat(middles[:, k], 3), len(vertices)) for k in range(3)], axis=1)
    return np.where(total[:, None] > 0, found / np.maximum(total, 1e-300)[:, None], vertices)
