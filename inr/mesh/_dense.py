"""The whole lattice, slab by slab: the plain way, which the sparse search is measured against."""

from __future__ import annotations

import numpy as np

from inr.mesh._lattice import CORNERS, Lattice, Sampler
from inr.mesh._march import Cells, is_crossed


def dense_cells(lattice: Lattice, sample: Sampler, chunk: int) -> Cells:
    """Every lattice cell that the level set crosses, found by evaluating all (resolution + 1)^3 points."""
    n = lattice.resolution + 1
    axis = lattice.position(np.arange(1, n + 1))
    y, z = axis[None, :, None], axis[None, None, :]
    thickness = max(1, chunk // n**2)
    beyond = np.float32(lattice.spacing)
    last = np.full((1, n + 2, n + 2), beyond)
    found_index, found_values = [], []
    for start in range(0, n + 1, thickness):
        slab = np.full((min(thickness, n + 1 - start), n + 2, n + 2), beyond)  # plane n is the one beyond the box
        x = axis[start : start + thickness, None, None]
        points = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3)
        slab[: len(x), 1:-1, 1:-1] = sample(points, "slab").reshape(-1, n, n)
        block = np.concatenate([last, slab])
        corners = np.stack([block[_span(a), :, :][:, _span(b), :][:, :, _span(c)] for a, b, c in CORNERS], axis=-1)
        crossed = np.argwhere(is_crossed(corners))
        found_values.append(corners[tuple(crossed.T)])
        found_index.append(crossed + np.array([start, 0, 0]))
        last = slab[-1:]
    return Cells(np.concatenate(found_index), np.concatenate(found_values))


def _span(offset: int) -> slice:
    """All points of an axis that have a neighbour after them (offset 0), or all of those neighbours (offset 1)."""
    return slice(1, None) if offset else slice(None, -1)
