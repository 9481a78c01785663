"""Measured peak memory bandwidth and matrix product throughput of a machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from _timing import interleaved

from inr.kernels.threads import compiled, in_parts

TRIAD = 2**25  # numbers in each of three arrays: far beyond any cache
MATRIX = 2048


@dataclass(frozen=True)
class Peaks:
    """Bytes per second of a[i] = b[i] + s c[i] (12 bytes each), operations per second of torch's float32 product."""

    bytes_per_s: float
    flops_per_s: float

    def share(self, ms: float, n_bytes: float, n_flops: float) -> dict[str, float]:
        """The share of each ceiling that these bytes and operations reach; the larger is that of the roofline."""
        return {
            "memory_share": n_bytes / (1e-3 * ms * self.bytes_per_s),
            "compute_share": n_flops / (1e-3 * ms * self.flops_per_s),
        }


@compiled
def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, s: np.float32, start: int, end: int) -> None:
    a, b, c = a[start:end], b[start:end], c[start:end]
    for i in range(len(a)):  # from 0: an index that may be negative would not be vectorised
        a[i] = b[i] + s * c[i]


def peaks(seconds: float = 2.0) -> Peaks:
    """Measured with as many threads as torch uses now; the best of several turns, as it is a ceiling."""
    a, b, c = (np.ones(TRIAD, np.float32) for _ in range(3))

    def triad() -> None:
        in_parts(lambda i, n: _triad(a, b, c, np.float32(2), i * TRIAD // n, (i + 1) * TRIAD // n), TRIAD)

    left, right = torch.ones(2, MATRIX, MATRIX)
    product = torch.empty(MATRIX, MATRIX)
    times = interleaved({"triad": triad, "mm": lambda: torch.mm(left, right, out=product)}, seconds)
    return Peaks(12 * TRIAD / (1e-3 * min(times["triad"])), 2 * MATRIX**3 / (1e-3 * min(times["mm"])))
