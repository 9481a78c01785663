"""Boundaries of an open surface mended where they run inside the surface: slits joined, layers of a fold taken off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inr.mesh._crossed_edges import ROUGH
from inr.mesh._octree_grid import Bools, Ints, PointEvaluator, Reals
from inr.mesh._patches import Sides, notches_closed, turned_alike, without_flaps
from inr.mesh._rims import moved_to_rim
from inr.mesh._slits import slits_closed
from inr.mesh.project import unit

_RADIUS, _TURNS = 0.5, 12  # cells from a vertex of the boundary, in these directions, where the surface goes on if it
_LEAVING = 0.3  # is inside: the distance there is below this, in cells
_SLIT = 0.6  # cosine between the sides of a slit that is joined: 53 degrees
_FULL = 0.94 * 2 * np.pi  # sum of the angles around a vertex above which faces lie over each other
_BLUNT = -0.5  # cosine between those of one that gets a face: 120 degrees
_WIDE = 0.9  # cells between the ends of such a slit
_TOUCHING, _GLUED = 0.25, 0.5  # cells between vertices that are joined: with a face that has both, and without
_SMALL = 0.3  # area, in cells, of the faces around a vertex that are left out
_OVER = 0.7  # cosine between two faces at an edge, above which one lies over the other
_SCRAP, _FEW = 1.0, 8  # area, in cells, and number of faces of a patch that is left out
_ROUNDS, _REPEATS = 6, 5


def mended(
    vertices: Reals,
    faces: Ints,
    sample: PointEvaluator,
    spacing: float,
    noise: float,
    is_on_surface: Callable[[Reals], Bools],
) -> tuple[Reals, Ints]:
    """The surface with its boundary moved outwards where it runs inside the surface, as along a slit or a fold.

    Faces change at vertices of the boundary that the field says are inside, at those within half a cell of the inside
    of another sheet, at notches and slits, and where they lie over each other at an edge with more than two faces or at
    the boundary. Vertices of changed faces move if they are on the boundary; no others do. This is repeated until
    nothing changes, at most 5 times. A face that lies over others closes no notch or slit, unless a vertex of the
    boundary that it would have is inside otherwise. Nothing is mended if the field is as rough as `ROUGH`: its surface
    has holes all over. noise: error of the field on its surface, in cells.
    """
    if noise >= ROUGH:
        return vertices, faces
    folded: Ints = np.empty((0, 3), np.int64)
    for _ in range(_REPEATS):
        before = faces
        faces, lost = _unfolded(vertices, faces, spacing)
        inside = inside_rim(vertices, faces, sample, spacing)
        for step in (slits_joined, glued, peeled, without_small):
            earlier, faces = faces, step(vertices, faces, inside, spacing)
            if faces is not earlier:
                inside = inside[np.isin(inside, Sides.of(faces).rim(faces))]
        faces, lost_later = _unfolded(vertices, faces, spacing)
        folded = np.concatenate([folded, lost, lost_later])
        n = len(faces)
        faces = slits_closed(vertices, notches_closed(vertices, faces, is_on_surface), is_on_surface)
        refused = _are_among(faces, folded)
        refused[_pairs_over(vertices, faces, Sides.of(faces))] = True
        refused[:n] = False
        if refused.any():
            inside = inside_rim(vertices, faces[~refused], sample, spacing)
            faces = faces[~refused | np.isin(faces, inside).any(axis=1)]
        changed = [before[~_are_among(before, faces)], faces[~_are_among(faces, before)]]
        if not sum(map(len, changed)):
            break
        faces, _ = turned_alike(faces)
        vertices = moved_to_rim(vertices, faces, sample, spacing, noise, np.concatenate(changed))
    return vertices, _unfolded(vertices, faces, spacing)[0]


def inside_rim(vertices: Reals, faces: Ints, sample: PointEvaluator, spacing: float) -> Ints:
    """The vertices of the boundary that are inside the surface: in the plane of the faces around them it goes on in all
    directions."""
    at = np.unique(Sides.of(faces).rim(faces))
    if not len(at):
        return at
    normal = _normals(vertices, faces, at)
    one = unit(np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)]))
    two = np.cross(normal, one)
    for angle in 2 * np.pi * np.arange(_TURNS) / _TURNS:
        x = vertices[at] + _RADIUS * spacing * (np.cos(angle) * one + np.sin(angle) * two)
        goes_on = sample(np.clip(x, 0, 1), "rim") < _LEAVING * spacing
        at, one, two = at[goes_on], one[goes_on], two[goes_on]
    return at


def slits_joined(vertices: Reals, faces: Ints, inside: Ints, spacing: float) -> Ints:
    """The faces [F, 3] with the two ends of slits joined, of which these vertices of the boundary are the bottom: the
    sides of the boundary there enclose a small angle, and the faces are not in it. Wider ones get a face."""
    if not len(inside):
        return faces
    added = []
    sides = Sides.of(faces)
    rim = sides.rim(faces)
    is_rim = np.zeros(len(vertices), dtype=bool)
    is_rim[rim] = True
    edges = set(map(tuple, sides.ends[is_rim[sides.ends].all(axis=1)].tolist()))
    both = np.concatenate([rim, rim[:, ::-1]])
    both = both[np.lexsort((np.tile(np.arange(len(rim)), 2), both[:, 0]))]
    first, last = (np.searchsorted(both[:, 0], inside, side) for side in ("left", "right"))
    around = _angles(vertices, faces)
    names = np.arange(len(vertices))
    used = set[int]()
    for v, start in zip(inside[last - first == 2].tolist(), first[last - first == 2].tolist(), strict=True):
        one, two = both[start : start + 2, 1].tolist()
        if one == two or around[v] < np.pi or not used.isdisjoint((v, one, two)):
            continue
        ways = vertices[[one, two]] - vertices[v]
        length = np.linalg.norm(ways, axis=1)
        apart = np.linalg.norm(ways[0] - ways[1])
        cosine = float(ways[0] @ ways[1] / length.prod())
        if (min(one, two), max(one, two)) in edges or cosine < _BLUNT:
            continue
        used |= {v, one, two}
        if cosine < _SLIT or apart > _WIDE * spacing:
            added.append([v, one, two])
            continue
        kept, lost = (one, two) if length[0] <= length[1] else (two, one)
        names[lost] = kept
    if not used:
        return faces
    return _renamed(np.concatenate([faces, np.array(added, np.int64).reshape(-1, 3)]), names)


def glued(vertices: Reals, faces: Ints, inside: Ints, spacing: float) -> Ints:
    """The faces [F, 3] with vertices of the boundary joined to others: those `inside` to a vertex that they touch, and
    all to the nearest vertex of the inside of another sheet, more than two edges away, if it is closer than half a
    cell: a sheet that meets another one."""
    from scipy.spatial import cKDTree

    sides = Sides.of(faces)
    used, rim = np.unique(faces), np.unique(sides.rim(faces))
    both = np.concatenate([sides.ends, sides.ends[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    first = np.searchsorted(both[:, 0], np.arange(len(vertices) + 1))

    def neighbours(v: int) -> list[int]:
        found: list[int] = both[first[v] : first[v + 1], 1].tolist()
        return found

    names, is_joined = np.arange(len(vertices)), False
    is_rim, is_inside = np.zeros((2, len(vertices)), dtype=bool)
    is_rim[rim], is_inside[inside] = True, True
    tree = cKDTree(vertices[used])
    for v, found in zip(rim.tolist(), tree.query_ball_point(vertices[rim], _GLUED * spacing), strict=True):
        near = used[found]
        near = near[(near != v) & (names[near] == near) & (~is_rim[near] | is_inside[v])]
        if not len(near):
            continue
        away = np.linalg.norm(vertices[near] - vertices[v], axis=1)
        around = {w for u in neighbours(v) for w in (u, *neighbours(u))}
        allowed = ~is_rim[near] & np.array([w not in around for w in near.tolist()])
        allowed |= (away < _TOUCHING * spacing) & is_inside[v]
        if allowed.any():
            names[v], is_joined = near[allowed][away[allowed].argmin()], True
    return _renamed(faces, names) if is_joined else faces


def peeled(vertices: Reals, faces: Ints, inside: Ints, spacing: float) -> Ints:
    """The faces [F, 3] without a face at each of these vertices of the boundary around which the faces make a full
    turn: of those at the boundary there, the smallest."""
    if not len(inside):
        return faces
    around, area = _angles(vertices, faces), _areas(vertices, faces)
    sides = Sides.of(faces)
    face, corner = np.divmod(sides.order[sides.first[sides.count == 1]], 3)
    ends = np.stack([faces[face, corner], faces[face, (corner + 1) % 3]], axis=1)
    order = np.argsort(-area[face], kind="stable")
    smallest = np.full(len(vertices), -1)
    for k in range(2):
        at, of = ends[order, k], face[order]
        is_smaller = (smallest[at] < 0) | (area[of] < area[smallest[at]])
        smallest[at[is_smaller]] = of[is_smaller]
    lost = smallest[inside[around[inside] > _FULL]]
    lost = np.unique(lost[lost >= 0])
    return np.delete(faces, lost, axis=0) if len(lost) else faces


def without_small(vertices: Reals, faces: Ints, inside: Ints, spacing: float) -> Ints:
    """The faces [F, 3] without those around these vertices of the boundary, if their area together is small."""
    if not len(inside):
        return faces
    area = np.bincount(faces.ravel(), np.repeat(_areas(vertices, faces), 3), len(vertices))
    return faces[~np.isin(faces, inside[area[inside] <= _SMALL * spacing**2]).any(axis=1)]


def without_layers(vertices: Reals, faces: Ints, spacing: float) -> Ints:
    """The faces [F, 3] without those that lie over another one at an edge with more than two faces: of each pair the
    one that fewer faces part from the boundary. And without patches of a few small faces at the boundary that such
    edges part from others."""
    for _ in range(_ROUNDS):
        sides = Sides.of(faces)
        if not (sides.count > 2).any():
            return faces
        lost = _over(vertices, faces, sides) or _scraps(vertices, faces, sides, spacing)
        if not lost:
            return faces
        faces = np.delete(faces, sorted(lost), axis=0)
    return faces


def _unfolded(vertices: Reals, faces: Ints, spacing: float) -> tuple[Ints, Ints]:
    """The faces [F, 3] without those that lie over others, and those left out."""
    kept = without_layers(vertices, without_flaps(vertices, faces), spacing)
    lost = faces[~_are_among(faces, kept)] if len(kept) < len(faces) else faces[:0]
    return kept, lost


def _over(vertices: Reals, faces: Ints, sides: Sides) -> set[int]:
    """Faces at edges with more than two that lie over another one there."""
    depth, area = _depths(faces, sides), _areas(vertices, faces)
    lost = set[int]()
    for both in _pairs_over(vertices, faces, sides).tolist():
        pair = sorted(both, key=lambda f: (depth[f], area[f]))
        if depth[pair[0]] < _ROUNDS and lost.isdisjoint(pair):
            lost.add(pair[0])
    return lost


def _pairs_over(vertices: Reals, faces: Ints, sides: Sides) -> Ints:
    """Pairs of faces [P, 2], numbers, that lie over each other at an edge with more than two."""
    pairs = np.empty((0, 2), np.int64)
    for count in np.unique(sides.count[sides.count > 2]).tolist():
        at = np.flatnonzero(sides.count == count)
        face, corner = np.divmod(sides.order[sides.first[at, None] + np.arange(count)], 3)
        start, end = vertices[sides.ends[at]].transpose(1, 0, 2)
        along = unit(end - start)[:, None]
        way = vertices[faces[face, (corner + 2) % 3]] - start[:, None]
        way = unit((way - (way * along).sum(axis=2, keepdims=True) * along).reshape(-1, 3)).reshape(way.shape)
        edge, a, b = np.nonzero(np.triu(way @ way.transpose(0, 2, 1) > _OVER, 1))
        pairs = np.concatenate([pairs, np.stack([face[edge, a], face[edge, b]], axis=1)])
    return pairs


def _scraps(vertices: Reals, faces: Ints, sides: Sides, spacing: float) -> set[int]:
    """Faces of small patches at the boundary that are joined to others only at edges with more than two faces; of those
    that touch, the smallest one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, two = sides.pairs()
    graph = coo_array((np.ones(len(one), np.int8), (one // 3, two // 3)), shape=(len(faces),) * 2)
    n, part = connected_components(graph, directed=False)
    area = np.bincount(part, _areas(vertices, faces), n)
    of_side = part[sides.order // 3]
    is_forked, is_rim = np.zeros(n, dtype=bool), np.zeros(len(vertices), dtype=bool)
    is_forked[of_side[np.repeat(sides.count > 2, sides.count)]] = True
    is_rim[sides.ends[sides.count == 1]] = True
    at_rim = np.bincount(part, is_rim[faces].any(axis=1), n) > 0
    small = np.flatnonzero(is_forked & at_rim & (area < _SCRAP * spacing**2) & (np.bincount(part) <= _FEW))
    lost, touched = set[int](), set[int]()
    for k in small[np.argsort(area[small])].tolist():
        own = np.flatnonzero(part == k)
        corners = faces[own].ravel().tolist()
        if touched.isdisjoint(corners):
            touched.update(corners)
            lost.update(own.tolist())
    return lost


def _depths(faces: Ints, sides: Sides) -> Ints:
    """How many faces part each face [F] from the boundary, up to `_ROUNDS`."""
    depth = np.full(len(faces), _ROUNDS)
    depth[sides.order[sides.first[sides.count == 1]] // 3] = 0
    one, two = sides.pairs()
    a, b = one // 3, two // 3
    for _ in range(_ROUNDS):
        np.minimum.at(depth, a, depth[b] + 1)
        np.minimum.at(depth, b, depth[a] + 1)
    return depth


def _angles(vertices: Reals, faces: Ints) -> Reals:
    """The sum [V] of the angles of the faces at each vertex."""
    found = np.zeros(len(vertices))
    for k in range(3):
        one, two = (unit(vertices[faces[:, (k + m) % 3]] - vertices[faces[:, k]]) for m in (1, 2))
        angles = np.arccos(np.clip(np.einsum("nd,nd->n", one, two), -1, 1))
        found += np.bincount(faces[:, k], angles, len(vertices))
    return found


def _normals(vertices: Reals, faces: Ints, at: Ints) -> Reals:
    """The direction [N, 3] of the normals, whatever their sign, of most faces around vertices `at` [N] and their
    neighbours."""
    is_near = np.zeros(len(vertices), dtype=bool)
    is_near[at] = True
    is_near[faces[is_near[faces].any(axis=1)]] = True
    faces = faces[is_near[faces].any(axis=1)]
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    outer = normal[:, :, None] * normal[:, None, :] / np.maximum(length, 1e-300)[:, None, None]
    for _ in range(2):
        around = np.zeros((len(vertices), 3, 3))
        for k in range(3):
            np.add.at(around, faces[:, k], outer)
        outer = around[faces].sum(axis=1)
    return np.asarray(np.linalg.eigh(around[at])[1][:, :, -1])


def _areas(vertices: Reals, faces: Ints) -> Reals:
    corners = vertices[faces]
    return np.asarray(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    )


def _renamed(faces: Ints, names: Ints) -> Ints:
    """The faces [F, 3] with these names [V] for their vertices, without lines and doubles."""
    renamed: Ints = names[faces]
    renamed = renamed[(renamed != np.roll(renamed, 1, axis=1)).all(axis=1)]
    _, first = np.unique(np.sort(renamed, axis=1), axis=0, return_index=True)
    return renamed[np.sort(first)]


def _are_among(faces: Ints, others: Ints) -> Bools:
    """Which faces [F, 3] are among others [G, 3], whatever the order of their corners."""
    if faces is others or not len(others):
        return np.full(len(faces), faces is others)
    one, two = (np.ascontiguousarray(np.sort(f, axis=1)).view("V24")[:, 0] for f in (faces, others))
    return np.asarray(np.isin(one, two))
