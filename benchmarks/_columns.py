"""Intersection over union of two closed meshes, exact along columns through both."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]
COLUMNS = 512
"""Columns along a side; with 512, the value of one axis differs from another's by 2e-5."""


def iou_of_meshes(a: Any, b: Any, n: int = COLUMNS) -> float:
    """Mean over the three axes of the IoU on n x n columns along it, over the box of both meshes.

    Along a column both solids are known exactly: they are between odd and even crossings. Uniform points, 2^17 of them,
    leave a standard error of 0.002 where the IoU is 0.96. Columns that meet a mesh an odd number of times are left out.
    """
    corners = np.concatenate([a.bounds, b.bounds])
    low, side = corners.min(axis=0), float(np.ptp(corners, axis=0).max())
    meshes = [((np.asarray(m.vertices) - low) / side + 1e-9 * np.arange(1, 4), np.asarray(m.faces)) for m in (a, b)]
    shares = []
    for axis in range(3):
        (starts, crossings), (others, other_crossings) = (_crossings(v, f, n, axis) for v, f in meshes)
        both, first, second = _lengths(starts, crossings, others, other_crossings)
        shares.append(both / (first + second - both))
    return float(np.mean(shares))


def _crossings(vertices: Array, faces: Array, n: int, axis: int) -> tuple[Array, Array]:
    """Where each column's crossings start, [n * n + 1], and their places along it."""
    corners = np.ascontiguousarray(np.roll(vertices, -axis - 1, axis=1)[faces])
    count = np.zeros(n * n, np.int64)
    _cross(corners, n, count, np.empty(0))
    starts = np.concatenate([[0], np.cumsum(count)])
    found = np.empty(starts[-1])
    _cross(corners, n, starts[:-1].copy(), found)
    return starts, found


@njit(cache=False)
def _cross(corners: Any, n: int, at: Any, found: Any) -> None:
    """Write the crossings of triangles [F, 3, 3] with columns along the last axis, or only count them."""
    for p, q, r in corners:
        area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
        if area == 0:
            continue
        for i in range(max(0, int(np.ceil(min(p[0], q[0], r[0]) * n - 0.5))), n):
            x = (i + 0.5) / n
            if x > max(p[0], q[0], r[0]):
                break
            for j in range(max(0, int(np.ceil(min(p[1], q[1], r[1]) * n - 0.5))), n):
                y = (j + 0.5) / n
                if y > max(p[1], q[1], r[1]):
                    break
                u = ((q[0] - x) * (r[1] - y) - (q[1] - y) * (r[0] - x)) / area
                v = ((r[0] - x) * (p[1] - y) - (r[1] - y) * (p[0] - x)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    if len(found):
                        found[at[i * n + j]] = u * p[2] + v * q[2] + (1 - u - v) * r[2]
                    at[i * n + j] += 1


@njit(cache=False)
def _lengths(starts: Any, crossings: Any, others: Any, other_crossings: Any) -> Any:
    """Lengths, over all columns, inside both solids, the first and the second."""
    both, first, second = 0.0, 0.0, 0.0
    for k in range(len(starts) - 1):
        a, b = np.sort(crossings[starts[k] : starts[k + 1]]), np.sort(other_crossings[others[k] : others[k + 1]])
        if len(a) % 2 or len(b) % 2:
            continue
        for i in range(0, len(a), 2):
            first += a[i + 1] - a[i]
            for j in range(0, len(b), 2):
                both += max(0.0, min(a[i + 1], b[j + 1]) - max(a[i], b[j]))
        for j in range(0, len(b), 2):
            second += b[j + 1] - b[j]
    return both, first, second
