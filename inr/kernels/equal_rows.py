"""Equal rows of three numbers, found by hashing: vertices at one place, and faces with the same corners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.threads import compiled

Array = NDArray[Any]


def named(rows: Array) -> tuple[Array, Array]:
    """The first occurrence [M] of each distinct row of [N, 3], float64 or int64, and for each row [N] which of them it
    equals. 0 and -0 are equal; NaN does not occur."""
    bits = np.ascontiguousarray(rows + 0.0 if rows.dtype.kind == "f" else rows).view(np.int64)
    size = 1 << max(4, int(2 * len(rows) - 1).bit_length())
    first, name = _named(bits, np.full(size, -1, np.int32 if len(rows) < 2**31 else np.int64))
    return first, name


@compiled
def _named(rows: Any, table: Any) -> Any:
    """table: -1 at each place; a power of two of them, at least twice the number of rows."""
    n, last = len(rows), np.uint64(len(table) - 1)
    first, name = np.empty(n, np.int64), np.empty(n, np.int64)
    count = 0
    for i in range(n):
        a, b, c = rows[i, 0], rows[i, 1], rows[i, 2]
        key = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b)
        key = (key ^ (key >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(c)
        key = (key ^ (key >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
        place = (key ^ (key >> np.uint64(29))) & last
        while True:
            k = table[place]
            if k < 0:
                table[place], name[i], first[count] = count, count, i
                count += 1
                break
            j = first[k]
            if rows[j, 0] == a and rows[j, 1] == b and rows[j, 2] == c:
                name[i] = k
                break
            place = (place + np.uint64(1)) & last
    return first[:count].copy(), name
