"""Noisy points moved onto the quadrics that fit their neighbours (moving least squares).  Levin 2004."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inr.core.jit import compiled
from inr.kernels.threads import in_parts
from inr.signals.solids.faces import Floats, Ints

_CHUNK = 2**13
_LEAST = 256  # points of a thread
_WIDTH = 0.7  # of the weight of neighbours, in distances to the last of them
_RIDGE = 1e-3  # on the bend, in shares of the weights' sum


def on_quadrics(points: Floats, normals: Floats, k: int) -> tuple[Floats, Floats]:
    """The points [N, 3] moved along their normals [N, 3] onto a quadric through the k nearest, and its normals.

    Heights over the tangent plane are fitted by a + b . (u, v) + a form of degree 2. A neighbour at distance d weighs
    exp(-d^2 / h^2) times the cosine between the normals, or 0 if that is negative, so that the other side of a
    thin wall does not count.
    """
    from scipy.spatial import cKDTree

    tree: Any = cKDTree(points)
    moved, turned = np.empty_like(points), np.empty_like(normals)
    for start in range(0, len(points), _CHUNK):
        end = min(start + _CHUNK, len(points))
        distance, near = tree.query(points[start:end], k=min(k, len(points)))
        _fit(points, normals, distance, near, start, moved, turned)
    return moved, turned


def _fit(
    points: Floats, normals: Floats, distance: Floats, near: Ints, start: int, moved: Floats, turned: Floats
) -> None:
    n = len(near)
    in_parts(
        lambda part, of: _project(
            points, normals, distance, near, start, part * n // of, (part + 1) * n // of, moved, turned
        ),
        n,
        _LEAST,
    )


@compiled
def _project(
    points: Any, normals: Any, distance: Any, near: Any, start: Any, begin: Any, end: Any, moved: Any, turned: Any
) -> None:
    rows, row = np.empty((6, 7)), np.empty(7)
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
        for k in range(near.shape[1]):
            q = near[i, k]
            agreement = normals[q, 0] * nx + normals[q, 1] * ny + normals[q, 2] * nz
            if agreement <= 0:
                continue
            weight = agreement * math.exp(-((distance[i, k] / width) ** 2))
            x = (points[q, 0] - points[p, 0]) / width
            y = (points[q, 1] - points[p, 1]) / width
            z = (points[q, 2] - points[p, 2]) / width
            u, v = x * tx + y * ty + z * tz, x * bx + y * by + z * bz
            row[0], row[1], row[2], row[3], row[4], row[5] = 1.0, u, v, u * u, u * v, v * v
            row[6] = x * nx + y * ny + z * nz
            for a in range(6):
                for b in range(a, 7):
                    rows[a, b] += weight * row[a] * row[b]
        for a in range(6):
            for b in range(a):
                rows[a, b] = rows[b, a]
        for a in range(6):
            rows[a, a] += (_RIDGE if a > 2 else 1e-9) * rows[0, 0]
        for a in range(6):  # positive definite: no exchange of rows is needed
            for b in range(a + 1, 6):
                factor = rows[b, a] / rows[a, a]
                for c in range(a, 7):
                    rows[b, c] -= factor * rows[a, c]
        for a in range(5, -1, -1):
            for c in range(a + 1, 6):
                rows[a, 6] -= rows[a, c] * rows[c, 6]
            rows[a, 6] /= rows[a, a]
        height, along, across = rows[0, 6] * width, rows[1, 6], rows[2, 6]
        moved[p, 0], moved[p, 1], moved[p, 2] = (
            points[p, 0] + height * nx,
            points[p, 1] + height * ny,
            points[p, 2] + height * nz,
        )
        mx, my, mz = nx - along * tx - across * bx, ny - along * ty - across * by, nz - along * tz - across * bz
        length = math.sqrt(mx * mx + my * my + mz * mz)
        turned[p, 0], turned[p, 1], turned[p, 2] = mx / length, my / length, mz / length
