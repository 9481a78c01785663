"""Triangles without a known outside: turned alike as far as possible, small holes closed, rims counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, Reals
from inr.mesh.project import unit

_MOST_EDGES = 8  # of a hole that is closed
_EAR_ROUNDS, _FLAP_ROUNDS, _NOTCH_ROUNDS, _STRAY_ROUNDS = 4, 8, 4, 2
_FOLDED = -0.7  # cosine between the normals of two faces, one of which is folded onto the other
_BLUNT = -0.5  # cosine between the sides of a notch that is closed: 120 degrees
_FEWEST_FACES = 20  # of a part that is kept beside larger ones


@dataclasses.dataclass(frozen=True)
class OpenSurface:
    """What a surface is that need not be closed. n_boundary_edges: with one face; n_loops: connected pieces of them.
    n_nonmanifold_edges: with more than two faces. is_orientable: the faces can be turned so that all neighbours agree;
    a Moebius strip is not. area: in squared units. error: of the field on its surface, in cells, at most 0.3."""

    n_boundary_edges: int
    n_loops: int
    n_nonmanifold_edges: int
    is_orientable: bool
    area: float
    error: float


@dataclasses.dataclass(frozen=True)
class Sides:
    """The sides of polygons [F, n], n f + k from corner k of polygon f to the next, sorted by their edge.

    order [n F]: sides edge by edge. first, count [E]: where each edge begins in it, and its number of faces.
    ends [E, 2]: its vertices.
    """

    order: Ints
    first: Ints
    count: Ints
    ends: Ints

    @classmethod
    def of(cls, faces: Ints) -> Sides:
        start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
        keys = np.minimum(start, end) * (int(faces.max(initial=0)) + 1) + np.maximum(start, end)
        order = np.argsort(keys, kind="stable")
        first = np.flatnonzero(np.diff(keys[order], prepend=-1) > 0)
        at = order[first]
        ends = np.stack([np.minimum(start[at], end[at]), np.maximum(start[at], end[at])], axis=1)
        return cls(order, first, np.diff(np.append(first, len(keys))), ends)

    def pairs(self) -> tuple[Ints, Ints]:
        """The two sides of each edge with two faces."""
        at = self.first[self.count == 2]
        return self.order[at], self.order[at + 1]

    def rim(self, faces: Ints) -> Ints:
        """Ends [B, 2] of the edges with one face, as it passes them."""
        face, corner = np.divmod(self.order[self.first[self.count == 1]], 3)
        return np.stack([faces[face, corner], faces[face, (corner + 1) % 3]], axis=1)


def turned_alike(faces: Ints) -> tuple[Ints, bool]:
    """The faces [F, 3] with neighbours over edges of two faces turned alike, and whether all agree.

    Otherwise they agree along a spanning tree of their neighbourhood.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    one, two = Sides.of(faces).pairs()
    a, b = one // 3, two // 3
    agree = faces[a, one % 3] != faces[b, two % 3]  # they pass the edge in opposite directions
    label = _double_cover(a, b, agree, len(faces))
    is_orientable = bool((label[0] != label[1]).all())
    if not is_orientable:
        weights = coo_array((np.arange(1, len(a) + 1), (a, b)), shape=(len(faces),) * 2)
        tree = minimum_spanning_tree(weights.tocsr()).tocoo()
        chosen = np.isin(a * len(faces) + b, tree.row.astype(np.int64) * len(faces) + tree.col)
        label = _double_cover(a[chosen], b[chosen], agree[chosen], len(faces))
    is_turned = label[0] > label[1]
    return np.where(is_turned[:, None], faces[:, ::-1], faces), is_orientable


def _double_cover(a: Ints, b: Ints, agree: Bools, n: int) -> Ints:
    """Components [2, n] of the faces as they are and of the faces turned over."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    other = np.where(agree, b, b + n)
    rows, columns = np.concatenate([a, a + n]), np.concatenate([other, (other + n) % (2 * n)])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(2 * n,) * 2)
    return np.asarray(connected_components(graph, directed=False)[1].reshape(2, n), np.int64)


def without_ears(quads: Ints, off: Reals) -> Ints:
    """The quads [Q, 4] without those that hang on the others by an edge with three quads and are free on two sides or
    more: at a rim they are folded onto the surface. Of several at an edge the one with the largest `off` [Q] goes."""
    for _ in range(_EAR_ROUNDS):
        sides = Sides.of(quads)
        count = np.empty(4 * len(quads), np.int64)
        edge = np.empty(4 * len(quads), np.int64)
        count[sides.order] = np.repeat(sides.count, sides.count)
        edge[sides.order] = np.repeat(np.arange(len(sides.count)), sides.count)
        is_ear = (count.reshape(-1, 4) == 1).sum(axis=1) >= 2
        hanging = np.flatnonzero((count > 2) & np.repeat(is_ear, 4))
        if not len(hanging):
            break
        hanging = hanging[np.lexsort([off[hanging // 4], edge[hanging]])]
        worst = hanging[np.diff(edge[hanging], append=-1) != 0] // 4
        kept = np.ones(len(quads), dtype=bool)
        kept[worst] = False
        quads, off = quads[kept], off[kept]
    return quads


def without_specks(faces: Ints) -> Ints:
    """The faces without parts of fewer than 20 faces, if there are larger ones."""
    part = parts_of(faces)
    size = np.bincount(part)
    return faces[(size >= min(_FEWEST_FACES, int(size.max())))[part]] if len(faces) else faces


def parts_of(faces: Ints) -> Ints:
    """Number of the connected part of each face [F, 3], or edge [F, 2]; those that share a vertex are connected."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(faces.max(initial=-1)) + 1
    rows, columns = faces[:, :-1].ravel(), faces[:, 1:].ravel()
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    return np.asarray(np.unique(connected_components(graph, directed=False)[1][faces[:, 0]], return_inverse=True)[1])


def holes_closed(vertices: Reals, faces: Ints, is_on_surface: Callable[[Reals], Bools]) -> tuple[Reals, Ints]:
    """Holes of at most 8 edges are closed around their middle, where `is_on_surface` holds there ([N, 3] -> [N])."""
    loops = [loop for loop in loops_of(Sides.of(faces).rim(faces)) if len(loop) <= _MOST_EDGES]
    if not loops:
        return vertices, faces
    middles = np.stack([vertices[loop].mean(axis=0) for loop in loops])
    added_vertices, added_faces = [vertices], [faces]
    n = len(vertices)
    for loop, middle, is_on in zip(loops, middles, is_on_surface(middles), strict=True):
        if is_on:
            ring = np.array(loop)
            added_vertices.append(middle[None])
            added_faces.append(np.stack([np.roll(ring, -1), ring, np.full(len(ring), n)], axis=1))
            n += 1
    return np.concatenate(added_vertices), np.concatenate(added_faces)


def without_flaps(vertices: Reals, faces: Ints) -> Ints:
    """The faces [F, 3] without those at the boundary, or at an edge of three faces, that are folded back onto their
    neighbour."""
    for _ in range(_FLAP_ROUNDS):
        corners = vertices[faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        size = np.linalg.norm(normal, axis=1)
        normal = normal / np.maximum(size, 1e-300)[:, None]
        sides = Sides.of(faces)
        is_free = np.zeros(len(faces), dtype=bool)
        is_free[sides.order[np.repeat(sides.count != 2, sides.count)] // 3] = True
        (a, of_a), (b, of_b) = (np.divmod(side, 3) for side in sides.pairs())
        alike = np.where(faces[a, of_a] != faces[b, of_b], 1.0, -1.0)  # they pass the edge in opposite directions
        is_folded = alike * np.einsum("nd,nd->n", normal[a], normal[b]) < _FOLDED
        a, b = a[is_folded], b[is_folded]
        # of two that are both free, the smaller one
        flap = np.where(is_free[a] & (~is_free[b] | (size[a] <= size[b])), a, b)
        flaps = np.unique(flap[is_free[flap]])
        if not len(flaps):
            break
        faces = np.delete(faces, flaps, axis=0)
    return faces


def without_strays(vertices: Reals, faces: Ints, is_on_surface: Callable[[Reals], Bools], most: float) -> Ints:
    """The faces [F, 3] without those at vertices of the boundary that are not on the surface ([N, 3] -> [N]), if their
    area together is at most `most`: small faces that stand across it. No part is lost as a whole."""
    for _ in range(_STRAY_ROUNDS):
        at = np.unique(Sides.of(faces).rim(faces))
        if not len(at):
            break
        corners = vertices[faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        around = np.bincount(faces.ravel(), np.repeat(area, 3), len(vertices))
        stray = at[~is_on_surface(vertices[at]) & (around[at] <= most)]
        kept = ~np.isin(faces, stray).any(axis=1)
        part = parts_of(faces)
        kept |= np.bincount(part, kept)[part] == 0
        if kept.all():
            break
        faces = faces[kept]
    return faces


def without_short_rims(vertices: Reals, faces: Ints, length: float) -> Ints:
    """The faces [F, 3] with the ends of edges below this length that touch the boundary joined, but those that become
    lines."""
    sides = Sides.of(faces)
    near = sides.ends[np.isin(sides.ends, sides.ends[sides.count == 1]).any(axis=1)]
    short = near[np.linalg.norm(vertices[near[:, 0]] - vertices[near[:, 1]], axis=1) < length]
    if not len(short):
        return faces
    group = np.arange(len(vertices))
    names = np.unique(short)
    part = parts_of(short)
    of_vertex = np.zeros(len(vertices), np.int64)
    of_vertex[short[:, 0]] = of_vertex[short[:, 1]] = part
    first = np.full(int(part.max()) + 1, len(vertices))
    np.minimum.at(first, of_vertex[names], names)
    group[names] = first[of_vertex[names]]
    joined: Ints = group[faces]
    kept = (joined != np.roll(joined, 1, axis=1)).all(axis=1)
    return np.asarray(joined[kept], np.int64)


def notches_closed(vertices: Reals, faces: Ints, is_on_surface: Callable[[Reals], Bools]) -> Ints:
    """The faces [F, 3] and one over each notch of the boundary: a vertex whose neighbours along it are joined by a line
    on the surface, on the side where the faces are not."""
    for _ in range(_NOTCH_ROUNDS):
        rim = Sides.of(faces).rim(faces)
        inner = np.flatnonzero(np.bincount(rim.ravel(), minlength=len(vertices)) == 2)
        if not len(inner):
            return faces
        both = np.concatenate([rim, rim[:, ::-1]])
        both = both[np.isin(both[:, 0], inner)]
        one, two = both[np.argsort(both[:, 0], kind="stable"), 1].reshape(-1, 2).T
        way, back = unit(vertices[one] - vertices[inner]), unit(vertices[two] - vertices[inner])
        is_inner = np.zeros(len(vertices), dtype=bool)
        is_inner[inner] = True
        inward = inward_of(vertices, faces[is_inner[faces].any(axis=1)])[inner]
        is_notch = np.einsum("nd,nd->n", way + back, inward) < 0
        found = np.flatnonzero(is_notch & (np.einsum("nd,nd->n", way, back) > _BLUNT) & (one != two))
        added, used = [], set[int]()
        passed = set(map(tuple, rim.tolist()))
        for k in found[is_on_surface((vertices[one[found]] + vertices[two[found]]) / 2)].tolist():
            corners = [int(one[k]), int(two[k]), int(inner[k])]
            if used.isdisjoint(corners):
                used.update(corners)
                # against the direction in which the boundary is passed
                added.append(corners if (corners[2], corners[1]) in passed else [corners[1], corners[0], corners[2]])
        if not added:
            return faces
        faces = np.concatenate([faces, np.array(added, np.int64)])
    return faces


def inward_of(vertices: Reals, faces: Ints) -> Reals:
    """The direction [V, 3] in which the faces around each vertex lie, not of unit length.

    The sum of the directions inside the angle of each face at the vertex, (e + f) tan(t / 2) for unit vectors e and f
    of its sides and the angle t between them. In a plane it is the middle of the angle of all, for any angle below 360
    degrees: in a notch it points away from the opening.
    """
    found = np.zeros_like(vertices)
    for k in range(3):
        at = vertices[faces[:, k]]
        one, two = (unit(vertices[faces[:, (k + m) % 3]] - at) for m in (1, 2))
        both = one + two
        half = np.linalg.norm(one - two, axis=1) / np.maximum(np.linalg.norm(both, axis=1), 1e-6)
        np.add.at(found, faces[:, k], both * half[:, None])
    return found


def loops_of(rim: Ints) -> list[list[int]]:
    """Closed paths along the boundary [B, 2], each a list of vertices; a vertex where paths touch ends none of them."""
    after: dict[int, list[int]] = {}
    for start, end in rim.tolist():
        after.setdefault(start, []).append(end)
    loops = []
    while after:
        start = at = next(iter(after))
        loop = []
        while at in after:
            loop.append(at)
            ends = after[at]
            ahead = ends.pop()
            if not ends:
                del after[at]
            at = ahead
            if at == start:
                break
        if at == start and len(loop) > 2:
            loops.append(loop)
    return loops


def described(vertices: Reals, faces: Ints, is_orientable: bool, error: float) -> OpenSurface:
    """The counts of faces [F, 3] with vertices [V, 3]."""
    sides = Sides.of(faces)
    rim = sides.ends[sides.count == 1]
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    n_loops = int(parts_of(rim).max()) + 1 if len(rim) else 0
    return OpenSurface(len(rim), n_loops, int(np.count_nonzero(sides.count > 2)), is_orientable, float(area), error)
