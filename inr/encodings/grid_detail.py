"""How much of a lattice's detail a coarser grid keeps, measured on blocks of its samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inr.core.samples import Samples
from inr.encodings._interpolation import best_vertices, interpolation_matrix, places_of
from inr.kernels.grid_geometry import GridGeometry

Array = NDArray[Any]

SIDE = {1: 2048, 2: 192, 3: 48, 4: 16}
"""Samples along an axis of a block, by the number of axes."""

BLOCKS = {1: 256, 2: 4, 3: 3, 4: 2}
"""Blocks along an axis, evenly spread, by the number of axes."""


def mean_square_left(samples: Samples, geometry: GridGeometry) -> float:
    """Mean square, over blocks of a lattice and channels, of what the finest level of a dense grid cannot hold.

    It is interpolated linearly and fitted in the least mean square, block by block. Values are in training units.
    """
    assert samples.order is not None
    array_shape = samples.array_shape()
    scale = [geometry.scale[-1][samples.order.index(axis)] for axis in range(len(array_shape))]
    total, count = 0.0, 0
    for starts, block in _blocks(samples):
        fitted = block
        for axis, (start, n, cells) in enumerate(zip(starts, array_shape, scale, strict=True)):
            along = np.ascontiguousarray(np.moveaxis(fitted, axis, 0))
            fitted = np.moveaxis(_fitted(along, n, cells, start), 0, axis)
        total += float(((block - fitted) ** 2).sum())
        count += block.size
    return total / count


def _fitted(values: Array, n: int, scale: float, start: int) -> Array:
    """The best fit to values [side, ...] of samples along an axis of n, from sample `start` on."""
    places = places_of(n, scale, start, start + len(values))
    places -= np.floor(places[0])
    matrix = interpolation_matrix(places, int(places[-1]) + 2)
    found = matrix @ best_vertices(matrix, values).reshape(matrix.shape[1], -1)
    return np.asarray(found).reshape(values.shape)


def _blocks(samples: Samples) -> Iterator[tuple[tuple[int, ...], Array]]:
    """First places and values [n_1, ..., n_D, C] of blocks that are evenly spread, by axes of the array."""
    shape = samples.array_shape()
    sides = [min(n, SIDE.get(len(shape), 8)) for n in shape]
    starts = [_starts(n, side, BLOCKS.get(len(shape), 2)) for n, side in zip(shape, sides, strict=True)]
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    for corner in itertools.product(*starts):
        index = torch.zeros((), dtype=torch.int64)
        for start, side, stride in zip(corner, sides, strides, strict=True):
            index = index[..., None] + stride * torch.arange(start, start + side)
        yield corner, samples.at(index.flatten())[1].double().numpy().reshape(*sides, -1)


def _starts(n: int, side: int, count: int) -> list[int]:
    """First samples of at most `count` blocks of `side` among n, from the first to the last."""
    count = min(count, -(-n // side))
    return sorted({round(i * (n - side) / max(1, count - 1)) for i in range(count)}) if count > 1 else [(n - side) // 2]
