"""Which points of a plane are inside rings of segments, by the even-odd rule; compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.threads import compiled_exactly

Array = NDArray[Any]


@compiled_exactly
def in_strips(starts: Array, ends: Array, low: float, per_strip: float, n: int) -> Any:
    """Segments by strips of the second axis: numbers, and where those of each of n strips begin, [n + 1].

    starts, ends: [S, 2]. Strip k covers low + k / per_strip and up.
    """
    first = np.zeros(n + 1, np.int64)
    for s in range(len(starts)):
        a, b = min(starts[s, 1], ends[s, 1]), max(starts[s, 1], ends[s, 1])
        for k in range(_strip(a, low, per_strip, n), _strip(b, low, per_strip, n) + 1):
            first[k + 1] += 1
    for k in range(n):
        first[k + 1] += first[k]
    numbers, at = np.empty(first[n], np.int64), first[:n].copy()
    for s in range(len(starts)):
        a, b = min(starts[s, 1], ends[s, 1]), max(starts[s, 1], ends[s, 1])
        for k in range(_strip(a, low, per_strip, n), _strip(b, low, per_strip, n) + 1):
            numbers[at[k]] = s
            at[k] += 1
    return numbers, first


@compiled_exactly
def is_inside(
    points: Array, starts: Array, ends: Array, numbers: Array, first: Array, low: float, per_strip: float, inside: Array
) -> None:
    """inside [N]: whether a ray from points [N, 2] along the first axis meets an odd number of segments.

    starts, ends: [S, 2] of segments that form closed rings; numbers, first: of `in_strips`. A segment includes its
    lower end and excludes the upper one, so a vertex counts once (W. R. Franklin 1970, PNPOLY).
    """
    n = len(first) - 1
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        k = _strip(y, low, per_strip, n)
        is_odd = False
        for j in range(first[k], first[k + 1]):
            s = numbers[j]
            if (starts[s, 1] > y) != (ends[s, 1] > y):
                share = (y - starts[s, 1]) / (ends[s, 1] - starts[s, 1])
                if x < starts[s, 0] + share * (ends[s, 0] - starts[s, 0]):
                    is_odd = not is_odd
        inside[i] = is_odd


@compiled_exactly
def _strip(y: float, low: float, per_strip: float, n: int) -> Any:
    """The strip of y, the first or last for those outside."""
    return min(max(int(min(max((y - low) * per_strip, -1.0), n + 1.0)), 0), n - 1)
