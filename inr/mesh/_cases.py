"""The triangles of a lattice cell for each of the 256 signs at its corners, with one rule for ambiguous faces."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from inr.mesh._octree_grid import CORNERS, Ints

EDGES: Ints = np.array([(c, c + (4 >> a)) for a in range(3) for c in range(8) if not c & (4 >> a)])
"""[12, 2]: corners at the ends of the edges of a cell, four along each axis."""

_MOST = 10  # triangles of a cell: at most 12 edges are crossed, in one circle


@functools.cache
def cases() -> tuple[Any, Any]:
    """Triangles [256, 10, 3] as edges of the cell, counter-clockwise as seen from outside, and their number [256].

    Bit c of a case: corner c is inside. The crossed edges are joined on the faces to circles, and each circle is cut
    into a fan. Where all edges of a face are crossed, the corners inside are separated, in both cells that share it, so
    the triangles of all cells close.
    """
    triangles, number = np.zeros((256, _MOST, 3), np.int64), np.zeros(256, np.int64)
    for case in range(256):
        found = [fan for circle in _circles(case) for fan in _fan(circle)]
        number[case] = len(found)
        triangles[case, : len(found)] = np.array(found).reshape(-1, 3)
    return triangles, number


def _fan(circle: list[int]) -> list[tuple[int, int, int]]:
    """Triangles of a circle, if possible without a diagonal in a face of the cell: the next cell could have it too."""
    turned = [circle[k:] + circle[:k] for k in range(len(circle))]
    best = min(turned, key=lambda c: sum(_is_in_a_face(c[0], c[k]) for k in range(2, len(c) - 1)))
    return [(best[0], best[k], best[k + 1]) for k in range(1, len(best) - 1)]


def _is_in_a_face(one: int, two: int) -> bool:
    corners = CORNERS[[*EDGES[one], *EDGES[two]]]
    return bool((corners == corners[0]).all(axis=0).any())


def _circles(case: int) -> list[list[int]]:
    """Crossed edges in the order in which the surface meets the faces of the cell, all turning the same way."""
    after: dict[int, int] = {}
    for axis in range(3):
        for side in range(2):
            after.update(_segments(case, axis, side))
    circles = []
    while after:
        first = edge = min(after)
        circle = []
        while edge in after:
            circle.append(edge)
            edge = after.pop(edge)
        assert edge == first
        circles.append(circle)
    return circles


def _segments(case: int, axis: int, side: int) -> list[tuple[int, int]]:
    """Where the surface meets one face: from an edge to an edge, so that the inside is on one side for all faces."""
    b, c = 4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3
    corners = [side * (4 >> axis) + k for k in (0, b, b + c, c)]  # counter-clockwise as seen against the axis
    if side == 0:
        corners.reverse()
    inside = [bool(case >> k & 1) for k in corners]
    enter = [k for k in range(4) if not inside[k] and inside[(k + 1) % 4]]
    found = []
    for k in enter:  # from the edge that leads into a run of corners inside to the edge that leads out of it
        end = k + 1
        while inside[(end + 1) % 4]:
            end += 1
        found.append((_edge(corners[k], corners[(k + 1) % 4]), _edge(corners[end % 4], corners[(end + 1) % 4])))
    return found


def _edge(one: int, two: int) -> int:
    return int(np.flatnonzero((np.array([min(one, two), max(one, two)]) == EDGES).all(axis=1))[0])
