"""Noisy points moved onto the quadrics that fit their neighbours (moving least squares).  Levin 2004."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from inr.core.jit import compiled
from inr.kernels.threads import in_parts
from inr.signals.solids.faces import Floats

_CHUNK = 2**13
_LEAST = 256  # points of a thread
_WIDTH = 0.7  # of the weight of neighbours, in distances to the last of them
_RIDGE = 1e-3  # on the bend, in shares of the weights' sum


def on_quadrics(
    points: Floats, normals: Floats, k: int, *, at: Floats | None = None, is_oriented: bool = True, sharp: float = 1.0
) -> tuple[Floats, Floats, Floats]:
    """Places [N, 3] moved along normals [N, 3] onto a quadric through the k nearest of points [N, 3], its normals, and
    the standard deviation [N] of the points from it.

    at: the places, one for each point; by default the points themselves. Heights over the tangent plane are fitted by
    a + b . (u, v) + a form of degree 2. A neighbour at distance d weighs exp(-d^2 / h^2), h 0.7 times the distance to
    the last of them, times the cosine between the normals to the power of `sharp`, or 0 if it is negative, so that
    edges are kept and the other side of a thin wall does not count. is_oriented: whether the signs of the normals mean
    something; otherwise the cosine counts without its sign.
    """
    from scipy.spatial import cKDTree

    tree: Any = cKDTree(points)
    places = points if at is None else at
    moved, turned, rest = np.empty_like(points), np.empty_like(normals), np.empty(len(points))
    for start in range(0, len(points), _CHUNK):
        end = min(start + _CHUNK, len(points))
        distance, near = tree.query(places[start:end], k=min(k, len(points)))
        data = points, places, normals, distance, near, start, is_oriented, sharp
        n = end - start
        in_parts(partial(_part, data, (moved, turned, rest), n), n, _LEAST)
    return moved, turned, rest


def _part(data: tuple[Any, ...], found: tuple[Any, ...], n: int, part: int, of: int) -> None:
    _project(part * n // of, (part + 1) * n // of, *data, *found)


@compiled
def _project(
    begin: Any,
    end: Any,
    points: Any,
    places: Any,
    normals: Any,
    distance: Any,
    near: Any,
    start: Any,
    is_oriented: Any,
    sharp: Any,
    moved: Any,
    turned: Any,
    rest: Any,
) -> None:
    rows, row, right = np.empty((6, 7)), np.empty(7), np.empty(6)
    for i in range(begin, end):
        p = start + i
        nx, ny, nz = normals[p, 0], normals[p, 1], normals[p, 2]
        # two tangents: across the normal and the axis that it is farthest from
        if abs(nx) <= abs(ny) and abs(nx) <= abs(nz):
            tx, ty, tz = 0.0, nz, -ny
        elif abs(ny) <= abs(nz):
            tx, ty, tz = -nz, 0.0, nx
        else:
            tx, ty, tz = ny, -nx, 0.0
        length = math.sqrt(tx * tx + ty * ty + tz * tz)
        tx, ty, tz = tx / length, ty / length, tz / length
        bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
        width = max(_WIDTH * distance[i, -1], 1e-300)
        rows[:] = 0.0
        heights, squares = 0.0, 0.0  # sums of w z^2 and w^2
        for k in range(near.shape[1]):
            q = near[i, k]
            agreement = normals[q, 0] * nx + normals[q, 1] * ny + normals[q, 2] * nz
            if not is_oriented:
                agreement = abs(agreement)
            if agreement <= 0:
                continue
            weight = agreement**sharp * math.exp(-((distance[i, k] / width) ** 2))
            x = (points[q, 0] - places[p, 0]) / width
            y = (points[q, 1] - places[p, 1]) / width
            z = (points[q, 2] - places[p, 2]) / width
            u, v = x * tx + y * ty + z * tz, x * bx + y * by + z * bz
            row[0], row[1], row[2], row[3], row[4], row[5] = 1.0, u, v, u * u, u * v, v * v
            row[6] = x * nx + y * ny + z * nz
            for a in range(6):
                for b in range(a, 7):
                    rows[a, b] += weight * row[a] * row[b]
            heights += weight * row[6] * row[6]
            squares += weight * weight
        total = rows[0, 0]
        for a in range(6):
            for b in range(a):
                rows[a, b] = rows[b, a]
        for a in range(6):
            right[a] = rows[a, 6]
            rows[a, a] += (_RIDGE if a > 2 else 1e-9) * total
        for a in range(6):  # positive definite: no exchange of rows is needed
            for b in range(a + 1, 6):
                factor = rows[b, a] / rows[a, a]
                for c in range(a, 7):
                    rows[b, c] -= factor * rows[a, c]
        for a in range(5, -1, -1):
            for c in range(a + 1, 6):
                rows[a, 6] -= rows[a, c] * rows[c, 6]
            rows[a, 6] /= rows[a, a]
        for a in range(6):
            heights -= right[a] * rows[a, 6]
        free = total - 6 * squares / total  # of as many points as have these weights, 6 are used up
        rest[p] = width * math.sqrt(max(heights, 0.0) / max(free, 1e-3 * total))
        height, along, across = rows[0, 6] * width, rows[1, 6], rows[2, 6]
        moved[p, 0], moved[p, 1], moved[p, 2] = (
            places[p, 0] + height * nx,
            places[p, 1] + height * ny,
            places[p, 2] + height * nz,
        )
        mx, my, mz = nx - along * tx - across * bx, ny - along * ty - across * by, nz - along * tz - across * bz
        length = math.sqrt(mx * mx + my * my + mz * mz)
        turned[p, 0], turned[p, 1], turned[p, 2] = mx / length, my / length, mz / length
