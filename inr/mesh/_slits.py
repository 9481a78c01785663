"""Slits along the edges at which three sheets of an open surface meet, closed by faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, Reals
from inr.mesh._patches import Sides
from inr.mesh.project import unit

_ROUNDS = 4
_OPEN = 0.7  # cosine between two faces at an edge of the boundary, above which one is folded onto the other
_NARROW = 0.5  # cosine at the tip of a slit that is closed: 60 degrees


def slits_closed(vertices: Reals, faces: Ints, is_on_surface: Callable[[Reals], Bools]) -> Ints:
    """The faces [F, 3] and those over slits between sheets. `is_on_surface`: points [N, 3] -> [N].

    A slit begins at a fork, an end of edges with more than two faces. Its edges of the boundary get a third corner: a
    vertex that edges join to both ends, or to one and to the next end of the boundary, or one of the boundary that an
    edge joins to the fork. The new face must lie on the surface, and not be folded onto the face of the edge.
    """
    for _ in range(_ROUNDS):
        sides = Sides.of(faces)
        face, corner = np.divmod(sides.order[sides.first[sides.count == 1]], 3)
        a, b, opposite = (faces[face, (corner + k) % 3] for k in range(3))
        rows = list(_candidates(sides, a, b, opposite))
        if not rows:
            return faces
        edge, third, tip = np.array(rows, np.int64).T
        start, end, top = vertices[a[edge]], vertices[b[edge]], vertices[third]
        along = unit(end - start)
        here, there = (
            v - np.einsum("nd,nd->n", v, along)[:, None] * along
            for v in (vertices[opposite[edge]] - start, top - start)
        )
        allowed = np.einsum("nd,nd->n", unit(here), unit(there)) < _OPEN
        allowed &= is_on_surface((start + end + top) / 3)
        far = np.where((a[edge] == tip)[:, None], end, start)  # from the tip
        at_tip = vertices[np.maximum(tip, 0)]
        is_narrow = np.einsum("nd,nd->n", unit(far - at_tip), unit(top - at_tip)) > _NARROW
        allowed &= (tip < 0) | (is_narrow & is_on_surface((far + top) / 2))
        height = np.linalg.norm(there, axis=1)
        added, used = [], set[tuple[int, int]]()
        for k in sorted(np.flatnonzero(allowed).tolist(), key=height.__getitem__):
            corners = int(b[edge[k]]), int(a[edge[k]]), int(third[k])
            pairs = {(min(p), max(p)) for p in zip(corners, (*corners[1:], corners[0]), strict=True)}
            if used.isdisjoint(pairs):
                used |= pairs
                added.append(corners)
        if not added:
            return faces
        faces = np.concatenate([faces, np.array(added, np.int64)])
    return faces


def _candidates(sides: Sides, a: Ints, b: Ints, opposite: Ints) -> Iterator[tuple[int, int, int]]:
    """Numbers of edges of the boundary, third corners, and the tip of the slit where only an edge from there meets it,
    else -1. a, b, opposite [B]: ends of the edges, and the third corners of their faces."""
    forks = set(sides.ends[sides.count > 2].ravel().tolist())
    around: dict[int, set[int]] = {}
    along: dict[int, list[int]] = {}
    for one, two in sides.ends[np.isin(sides.ends, np.concatenate([a, b])).any(axis=1)].tolist():
        around.setdefault(one, set()).add(two)
        around.setdefault(two, set()).add(one)
    for one, two in zip(a.tolist(), b.tolist(), strict=True):
        along.setdefault(one, []).append(two)
        along.setdefault(two, []).append(one)
    joined = {
        v: around[v] | (around[ends[0]] & around[ends[1]]) - {v} if len(ends) == 2 else around[v]
        for v, ends in along.items()
    }
    for k, (one, two, other) in enumerate(zip(a.tolist(), b.tolist(), opposite.tolist(), strict=True)):
        if one in forks or two in forks:
            yield from ((k, c, -1) for c in joined[one] & joined[two] if c != other)
        for tip, v in ((one, two), (two, one)):
            if tip in forks and v not in forks:
                yield from ((k, c, tip) for c in around[tip] if c not in (v, other))
