"""Epochs of stratified batches: every batch has one sample of each of as many equal runs as it has room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from inr.core.jit import compiled

Array = NDArray[Any]

CHUNK = 2**20  # random numbers that are held at once
TILE = 16  # runs whose samples are written together: the rows of `out` compete for places in the cache


def index_type(size: int) -> torch.dtype:
    """The smallest type of the indices of so many samples: an epoch of a large signal takes as much memory as it."""
    return torch.int32 if size <= 2**31 else torch.int64


def stratified_epoch(size: int, batch: int, generator: Generator) -> Tensor:
    """Indices below `size` [size // batch, batch] of `index_type(size)`, none twice, one batch a row.

    The samples, as a circle, are cut at an angle drawn for the epoch into `batch` runs whose lengths differ by one at
    most. Every run is shuffled and gives each batch one sample, in its turn; what is left of the longer runs waits for
    another epoch. So every sample is as likely as any other. Batches are sorted, but for a last sample from beyond
    the point where the circle closes.
    """
    count = size // batch
    out = torch.empty((count, batch), dtype=index_type(size))
    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    angle = int(random.integers(size))
    rows = max(1, CHUNK // count)
    for first in range(0, batch, rows):
        uniform = random.random((min(rows, batch - first), count), dtype=np.float32)
        _deal(uniform, angle, size, first, out.numpy())
    return out


@compiled
def _deal(uniform: Array, angle: int, size: int, first: int, out: Array) -> None:
    """Column r of `out` from run r, for the runs first.. that `uniform` has rows for."""
    count, batch = out.shape
    runs = np.empty((TILE, count + 1), np.int64)
    for start in range(0, len(uniform), TILE):
        stop = min(start + TILE, len(uniform))
        for i in range(start, stop):
            run, r = runs[i - start], first + i
            low, high = (r * size + angle) // batch, ((r + 1) * size + angle) // batch
            for j in range(high - low):
                run[j] = low + j if low + j < size else low + j - size
            for j in range(count):
                at = j + int(np.float64(uniform[i, j]) * (high - low - j))
                run[j], run[at] = run[at], run[j]
        for j in range(count):
            for i in range(start, stop):
                out[j, first + i] = runs[i - start, j]
