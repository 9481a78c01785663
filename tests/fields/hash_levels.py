"""The levels of tiny-cuda-nn's grids (`grid.h`, `common_device.h`) in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tests.published import Array

PRIMES = np.array([1, 2654435761, 805459861], np.uint32)


def scales(base: float, growth: float, n: int) -> list[float]:
    """base growth^l - 1 of n levels, in float32."""
    octaves = np.float32(np.log2(growth))
    return [float(np.exp2(np.float32(level) * octaves) * np.float32(base) - np.float32(1)) for level in range(n)]


def hash_levels(table: Array, x: Array, scale: Sequence[float], log2_table: int) -> Array:
    """Features [N, L F] at x [N, D] in [0, 1] of a table [entries, F].

    On a level, x lies at x s + 1/2 vertices, ceil(s) + 1 of them along an axis. A level that fits has an entry per
    vertex, the first axis fastest; the others share 2^log2_table entries by the exclusive or of coordinates times
    primes, in 32 bits.
    """
    offset, found, d = 0, [], x.shape[1]
    for s in scale:
        side = int(np.ceil(s)) + 1
        entries = min(8 * -(-(side**d) // 8), 2**log2_table)
        position = x * s + 0.5
        cell = np.floor(position).astype(np.int64)
        total = np.zeros((len(x), table.shape[1]))
        for corner in itertools.product((0, 1), repeat=d):
            at = cell + corner
            if side**d <= entries:
                index = (at * side ** np.arange(d)).sum(-1)
            else:
                index = np.bitwise_xor.reduce(at.astype(np.uint32) * PRIMES[:d], axis=1).astype(np.int64)
            total += (1 - np.abs(position - at)).prod(-1)[:, None] * table[offset + index % entries]
        found.append(total)
        offset += entries
    return np.concatenate(found, -1)
