"""Loops over triangles, compiled: areas, volume, sides sorted by edge, and faces joined over edges.

Faces [F, 3] are int64, side 3 f + k of face f goes from its corner k to the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.threads import compiled, compiled_exactly

Array = NDArray[Any]


@compiled_exactly
def areas(vertices: Array, faces: Array) -> Any:
    """See `inr.signals.solids.faces.area`."""
    found = np.empty(len(faces))
    u, v = np.empty(3), np.empty(3)
    for f in range(len(faces)):
        for d in range(3):
            corner = vertices[faces[f, 0], d]
            u[d], v[d] = vertices[faces[f, 1], d] - corner, vertices[faces[f, 2], d] - corner
        x, y, z = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        found[f] = math.sqrt(x * x + y * y + z * z) / 2
    return found


@compiled
def volume(vertices: Array, faces: Array) -> Any:
    """A sixth of the sum of the determinants of the corners, seen from the middle of all faces."""
    middle = np.zeros(3)
    for f in range(len(faces)):
        for k in range(3):
            for d in range(3):
                middle[d] += vertices[faces[f, k], d]
    middle /= 3 * len(faces)
    total = 0.0
    p = np.empty((3, 3))
    for f in range(len(faces)):
        for k in range(3):
            for d in range(3):
                p[k, d] = vertices[faces[f, k], d] - middle[d]
        total += p[0, 0] * (p[1, 1] * p[2, 2] - p[1, 2] * p[2, 1])
        total += p[0, 1] * (p[1, 2] * p[2, 0] - p[1, 0] * p[2, 2])
        total += p[0, 2] * (p[1, 0] * p[2, 1] - p[1, 1] * p[2, 0])
    return total / 6


@compiled
def ordered(faces: Array) -> Any:
    """The corners of each face in rising order, and whether that is an even permutation of three distinct ones."""
    out, is_even = np.empty_like(faces), np.empty(len(faces), np.bool_)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        low, high = min(a, min(b, c)), max(a, max(b, c))
        out[f, 0], out[f, 1], out[f, 2] = low, a + b + c - low - high, high
        is_even[f] = (a < b) == ((b < c) == (a < c)) if a != b and b != c and a != c else False
    return out, is_even


@compiled
def sorted_sides(faces: Array, n_vertices: int) -> Any:
    """The sides of faces by (lower vertex, higher vertex), by two counting sorts; the number of each side's edge, its
    direction (1 if it goes from the lower vertex, else -1), and the number of edges."""
    n = faces.size
    corners = faces.reshape(-1)
    low, high = np.empty(n, np.int64), np.empty(n, np.int64)
    direction = np.empty(n, np.int64)
    for i in range(n):
        a, b = corners[i], corners[i + 1 if i % 3 < 2 else i - 2]
        low[i], high[i] = min(a, b), max(a, b)
        direction[i] = 1 if a < b else -1
    order = _stably(low, _stably(high, np.arange(n), n_vertices), n_vertices)
    of_side = np.empty(n, np.int64)
    edge = -1
    for k in range(n):
        i = order[k]
        if k == 0 or low[i] != low[order[k - 1]] or high[i] != high[order[k - 1]]:
            edge += 1
        of_side[i] = edge
    return order, of_side, direction, edge + 1


@compiled
def _stably(key: Array, order: Array, n_keys: int) -> Any:
    """Numbers sorted by their keys 0..n_keys - 1, equal ones in the order given."""
    place = np.zeros(n_keys + 1, np.int64)
    for i in order:
        place[key[i] + 1] += 1
    for k in range(n_keys):
        place[k + 1] += place[k]
    out = np.empty_like(order)
    for i in order:
        out[place[key[i]]] = i
        place[key[i]] += 1
    return out


@compiled
def components(order: Array, of_side: Array, joins: Array) -> Any:
    """Number of the component of each face, by the first face of each. order, of_side: as `sorted_sides` has them.
    joins [E]: the edges over which faces are joined."""
    n = len(order) // 3
    root = np.arange(n)  # of a face: a lower one that it is joined with, or itself
    for k in range(1, len(order)):
        i, j = order[k - 1], order[k]
        if of_side[i] == of_side[j] and joins[of_side[i]]:
            a, b = i // 3, j // 3
            while root[a] != a:
                root[a] = root[root[a]]
                a = root[a]
            while root[b] != b:
                root[b] = root[root[b]]
                b = root[b]
            root[max(a, b)] = min(a, b)
    name = np.empty(n, np.int64)
    count = 0
    for f in range(n):
        if root[f] == f:
            name[f] = count
            count += 1
        else:
            name[f] = name[root[f]]  # of a lower face, whose name is known
    return name
