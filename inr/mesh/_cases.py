"""The 256 cases of marching cubes, derived rather than copied: which lattice edges form which triangles."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]

CORNERS: Ints = np.array(list(itertools.product((0, 1), repeat=3)), dtype=np.int64)
"""[8, 3]: offset of corner c inside its cell; c = 4 dx + 2 dy + dz."""

EDGES: Ints = np.array(
    [(a, a | bit, axis) for axis, bit in enumerate((4, 2, 1)) for a in range(8) if not a & bit], dtype=np.int64
)
"""[12, 3]: lower corner, upper corner and axis of each edge of a cell."""


@functools.cache
def triangle_table() -> tuple[Ints, Ints]:
    """For each case (bit c set: corner c is inside): triangles [256, 3 T] as edge numbers, and their count [256].

    Each face of a cell joins the crossings of its edges by segments that cut off every run of inside corners, going
    round counter-clockwise as seen from outside the cell. This depends on the face alone, so two cells that share it
    agree, and each crossing is left once and entered once, so that the segments close into loops. A loop is cut into
    triangles by diagonals that do not lie in a face, so that no two cells can draw the same diagonal. The mesh of any
    set of signs is therefore closed, with two triangles at every edge, wound counter-clockwise as seen from the
    outside (positive) region. After Lorensen and Cline (1987), with the face rule of Montani et al. (1994).
    """
    rows = [[e for loop in _loops(case) for triangle in _triangles(loop) for e in triangle] for case in range(256)]
    table = np.zeros((256, max(map(len, rows))), dtype=np.int64)
    for case, row in enumerate(rows):
        table[case, : len(row)] = row
    return table, np.array([len(row) // 3 for row in rows], dtype=np.int64)


@functools.cache
def _faces() -> tuple[tuple[int, ...], ...]:
    """Corners of the six faces, counter-clockwise as seen from outside the cell."""
    faces = []
    for axis, side in itertools.product(range(3), (0, 1)):
        round_trip = [(0, 0), (1, 0), (1, 1), (0, 1)] if side else [(0, 0), (0, 1), (1, 1), (1, 0)]
        corners = []
        for u, v in round_trip:
            offset = {axis: side, (axis + 1) % 3: u, (axis + 2) % 3: v}
            corners.append(4 * offset[0] + 2 * offset[1] + offset[2])
        faces.append(tuple(corners))
    return tuple(faces)


@functools.cache
def _edge_numbers() -> dict[frozenset[int], int]:
    return {frozenset((int(a), int(b))): e for e, (a, b, _) in enumerate(EDGES)}


def _loops(case: int) -> list[list[int]]:
    following: dict[int, int] = {}
    for face in _faces():
        inside = [bool(case >> c & 1) for c in face]
        edges = [_edge_numbers()[frozenset((face[m], face[(m + 1) % 4]))] for m in range(4)]
        for m in range(4):
            if inside[m] and not inside[m - 1]:  # a run of inside corners begins here
                end = m
                while inside[(end + 1) % 4]:
                    end += 1
                following[edges[m - 1]] = edges[end % 4]
    loops = []
    while following:
        start = edge = min(following)
        loop = []
        while edge in following:
            loop.append(edge)
            edge = following.pop(edge)
        assert edge == start
        loops.append(loop)
    return loops


def _triangles(loop: list[int]) -> list[tuple[int, int, int]]:
    found = _cut(loop)
    assert found is not None
    return found


def _cut(loop: list[int]) -> list[tuple[int, int, int]] | None:
    """The first way to cut a loop into triangles whose diagonals avoid the faces of the cell, or None."""
    if len(loop) == 3:
        return [(loop[0], loop[1], loop[2])]
    for m in range(len(loop)):
        before, here, after = loop[m - 1], loop[m], loop[(m + 1) % len(loop)]
        if not _share_a_face(before, after):
            rest = _cut(loop[:m] + loop[m + 1 :])
            if rest is not None:
                return [(before, here, after), *rest]
    return None


def _share_a_face(first: int, second: int) -> bool:
    corners = {int(c) for e in (first, second) for c in EDGES[e, :2]}
    return any(corners <= set(face) for face in _faces())
