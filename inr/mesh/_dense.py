"""Dense evaluation of the whole lattice, slab by slab: the reference for the sparse search."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import CORNERS, OctreeGrid, PointEvaluator, check_memory
from inr.mesh.march import Cells, is_crossed

_BYTES_PER_POINT = 105  # of a slab, at the peak, measured
_BYTES_PER_CELL = 600  # that the level set crosses, and of the mesh it gives, at the peak, measured


def dense_cells(lattice: OctreeGrid, sample: PointEvaluator, chunk: int, memory_bytes: int) -> Cells:
    """Every lattice cell that the level set crosses, found by evaluating all (resolution + 1)^3 points.

    Raises UsageError before the first point unless a slab and a surface as large as a wall of the box fit into
    `memory_bytes`, and later if the surface found does not fit.
    """
    n = lattice.resolution + 1
    axis = lattice.position(np.arange(1, n + 1))
    y, z = axis[None, :, None], axis[None, None, :]
    thickness = min(max(1, chunk // n**2), n)
    check_memory(lattice, thickness * n**2 * _BYTES_PER_POINT + n**2 * _BYTES_PER_CELL, memory_bytes)
    n_cells = 0
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
        n_cells += len(crossed)
        if n_cells * _BYTES_PER_CELL > memory_bytes:
            check_memory(lattice, n_cells * _BYTES_PER_CELL * (n + 1) / (start + len(slab)), memory_bytes)
    return Cells(np.concatenate(found_index), np.concatenate(found_values))


def _span(offset: int) -> slice:
    """All points of an axis that have a neighbour after them (offset 0), or all of those neighbours (offset 1)."""
    return slice(1, None) if offset else slice(None, -1)
