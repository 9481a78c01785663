"""Signed distances on the nodes of a lattice: all of them, or those near the surface, in blocks of 8 x 8 x 8 nodes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from inr.core.errors import UsageError
from inr.mesh._octree_grid import CORNERS, Bools, Ints, Reals, Singles

BLOCK = 8
"""Nodes along each side of a block."""

MEMORY_BYTES = 1 << 30
"""What the values of a grid may take, by default."""

Distance = Callable[[Reals], Singles]
"""Points [N, 3] in world units -> signed distances [N] in the same units, negative inside."""

_MARGIN, _STEEP = 1.5, 0.95  # the slope that the search allows for: this factor on this quantile, or 1
_COARSE = 32  # blocks along an axis at the start of the search, at most
_BLOCK_BYTES = 2144  # of a block, its values and what a file stores beside them
_CHUNK = 1 << 20  # nodes per evaluation

_NODES: Ints = np.stack(np.meshgrid(*[np.arange(BLOCK)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclasses.dataclass(frozen=True)
class NodeLattice:
    """Nodes at origin + spacing * index, index from 0 to shape - 1 along each axis, in world units."""

    origin: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]

    @classmethod
    def over(cls, low: Sequence[float] | Reals, high: Sequence[float] | Reals, spacing: float) -> Self:
        """The smallest lattice that starts at `low` and reaches `high`. Raises UsageError for a spacing of more than
        a quarter of the longest side."""
        a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
        if spacing > (b - a).max() / 4:
            raise UsageError(
                f"`voxel={spacing:g}` is too coarse for a box of {(b - a).max():.4g}, expected at most a quarter of it"
            )
        n = [max(1, math.ceil(s / spacing * (1 - 1e-12))) + 1 for s in b - a]
        return cls((float(a[0]), float(a[1]), float(a[2])), float(spacing), (n[0], n[1], n[2]))

    def position(self, index: Any) -> Reals:
        """World coordinates [N, 3] of indices [N, 3], which may be fractions."""
        return np.asarray(np.array(self.origin) + self.spacing * np.asarray(index, np.float64))


@dataclasses.dataclass(frozen=True, eq=False)
class NarrowBand:
    """Distances near a surface. blocks [K, 3]: index of each block, in lexicographic order; its first node is 8 times
    that. values [K, 8, 8, 8]: distances at its nodes, axes x, y, z, cut to +-width. Every node of the lattice at which
    |distance| < width is in a block, as far as the search can tell (see `narrow_band`)."""

    lattice: NodeLattice
    width: float
    blocks: Ints
    values: Singles

    def dense(self, distance: Distance) -> Singles:
        """Values [nx, ny, nz] at all nodes: those of the blocks, and +-width elsewhere, by the sign of the distance in
        the middle of a block."""
        n = [-(-side // BLOCK) for side in self.lattice.shape]
        every = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), axis=-1).reshape(-1, 3)
        sign = np.where(is_inside(distance, self.lattice, every, BLOCK), -self.width, self.width).astype(np.float32)
        coarse = sign.reshape(n)
        x, y, z = self.lattice.shape
        whole = np.empty((n[0], BLOCK, n[1], BLOCK, n[2], BLOCK), np.float32)
        whole[...] = coarse[:, None, :, None, :, None]
        i, j, k = self.blocks.T
        whole[i, :, j, :, k, :] = self.values
        return np.ascontiguousarray(whole.reshape(n[0] * BLOCK, n[1] * BLOCK, n[2] * BLOCK)[:x, :y, :z])


def narrow_band(
    distance: Distance,
    lattice: NodeLattice,
    width: float,
    *,
    lipschitz: float | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> NarrowBand:
    """The blocks of the lattice that have a node with |distance| < width.

    Search: cubes of blocks, from coarse to fine. A cube with centre c and half-diagonal r is left out if
    |distance(c)| > L r + width. L is `lipschitz`, or else estimated: 1.5 times the slope that 95 % of the coarse cubes
    do not exceed, at least 1. Then the band is followed through the faces of blocks until it ends, so with an
    estimate only a part of the surface that is apart from all others and steeper than anything sampled can be missed.
    Raises UsageError if the blocks need more than `memory_bytes`; that is estimated early, before they are evaluated.
    """
    n = np.array([-(-side // BLOCK) for side in lattice.shape])
    side = 1 << max(0, math.ceil(math.log2(n.max() / _COARSE)))
    cells = np.stack(np.meshgrid(*[np.arange(-(-k // side)) for k in n], indexing="ij"), axis=-1).reshape(-1, 3)
    slope = lipschitz
    while True:
        values = _at_middle(distance, lattice, cells, side * BLOCK)
        if slope is None:
            slope = _slope(values.reshape([-(-k // side) for k in n]), side * BLOCK * lattice.spacing)
        radius = math.sqrt(3) / 2 * (side * BLOCK - 1) * lattice.spacing
        cells = cells[np.abs(values) <= slope * radius * (1 + 1e-6) + width]
        _check_memory(lattice, len(cells) * _finer(side, slope, width / lattice.spacing), side, memory_bytes)
        if side == 1:
            break
        side //= 2
        cells = (2 * cells[:, None, :] + CORNERS).reshape(-1, 3)
        cells = cells[(cells * side < n).all(axis=1)]
    if not len(cells):
        return NarrowBand(lattice, width, cells, np.empty((0, BLOCK, BLOCK, BLOCK), np.float32))
    blocks, raw = cells, _evaluate(distance, lattice, cells)
    while len(more := _continued(blocks, raw, n, width + 2 * slope * lattice.spacing)):
        _check_memory(lattice, len(blocks) + len(more), 1, memory_bytes)
        blocks, raw = np.concatenate([blocks, more]), np.concatenate([raw, _evaluate(distance, lattice, more)])
    is_near = (np.abs(raw) < width).reshape(len(raw), -1).any(axis=1) | _is_mixed(raw)
    order = np.lexsort(blocks[is_near].T[::-1])
    return NarrowBand(lattice, width, blocks[is_near][order], np.clip(raw[is_near][order], -width, width))


def dense_distances(distance: Distance, lattice: NodeLattice, memory_bytes: int = MEMORY_BYTES) -> Singles:
    """Distances [nx, ny, nz] at all nodes. Raises UsageError if they need more than `memory_bytes`."""
    check_dense(lattice, memory_bytes)
    out = np.empty(lattice.shape, np.float32)
    rows = max(1, _CHUNK // (lattice.shape[1] * lattice.shape[2]))
    y, z = np.arange(lattice.shape[1])[:, None], np.arange(lattice.shape[2])
    for start in range(0, lattice.shape[0], rows):
        x = np.arange(start, min(start + rows, lattice.shape[0]))[:, None, None]
        index = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
        out[start : start + rows] = distance(lattice.position(index.reshape(-1, 3))).reshape(index.shape[:-1])
    return out


def is_inside(distance: Distance, lattice: NodeLattice, cells: Ints, nodes: int) -> Bools:
    """Whether the middle of each cube of `nodes`^3 lattice nodes, index [N, 3] in units of such cubes, is inside."""
    return np.asarray(_at_middle(distance, lattice, cells, nodes) < 0)


def check_dense(lattice: NodeLattice, memory_bytes: int = MEMORY_BYTES) -> None:
    """Raise UsageError if a value per node needs more than `memory_bytes`."""
    n_bytes = 4 * math.prod(lattice.shape)
    if n_bytes > memory_bytes:
        _refuse(lattice.spacing, n_bytes / 4, "", (n_bytes / memory_bytes) ** (1 / 3), memory_bytes)


def _finer(side: int, slope: float, voxels: float) -> float:
    """Expected number of blocks per cube of side^3 blocks: their layer around the surface is thinner, by the width of
    the band (in voxels) on top of what the slope allows for."""
    allowed, band = slope * math.sqrt(3), 2 * voxels / BLOCK
    return side**2 * (allowed + band) / (allowed + band / side)


def _check_memory(lattice: NodeLattice, n_blocks: float, side: int, memory_bytes: int) -> None:
    """Refuse a lattice whose band needs too much. An estimate from large cubes has room."""
    expected = n_blocks * _BLOCK_BYTES
    if expected > memory_bytes * (1 if side == 1 else 2):
        factor = 1.1 * math.sqrt(expected / memory_bytes)
        _refuse(lattice.spacing, n_blocks * BLOCK**3, " along the surface", factor, memory_bytes)


def _refuse(spacing: float, n_points: float, where: str, factor: float, memory_bytes: int) -> None:
    step = 10.0 ** (math.floor(math.log10(spacing * factor)) - 1)
    fits = math.ceil(spacing * factor / step * (1 + 1e-9)) * step
    raise UsageError(
        f"`voxel={spacing:g}` gives {n_points:.2g} lattice points{where}; {fits:.3g} fits in "
        f"{memory_bytes / 2**30:.3g} GB",
        "use a larger `voxel`",
    )


def _at_middle(distance: Distance, lattice: NodeLattice, cells: Ints, nodes: int) -> Singles:
    parts = [
        distance(lattice.position(cells[start : start + _CHUNK] * nodes + (nodes - 1) / 2))
        for start in range(0, len(cells), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _evaluate(distance: Distance, lattice: NodeLattice, blocks: Ints) -> Singles:
    """Distances [K, 8, 8, 8] at the nodes of blocks [K, 3]."""
    out = np.empty((len(blocks), BLOCK**3), np.float32)
    step = _CHUNK // BLOCK**3
    for start in range(0, len(blocks), step):
        index = blocks[start : start + step, None, :] * BLOCK + _NODES
        out[start : start + step] = distance(lattice.position(index.reshape(-1, 3))).reshape(-1, BLOCK**3)
    return out.reshape(-1, BLOCK, BLOCK, BLOCK)


def _slope(values: Singles, spacing: float) -> float:
    """The slope to allow for, from values on a coarse lattice [a, b, c]."""
    squares = np.zeros(values.shape)
    for axis in range(3):
        if values.shape[axis] > 1:
            squares += np.gradient(values.astype(np.float64), spacing, axis=axis) ** 2
    return _MARGIN * max(1.0, float(np.quantile(np.sqrt(squares), _STEEP)))


def _is_mixed(values: Singles) -> Bools:
    inside = (values < 0).reshape(len(values), -1)
    return np.asarray(inside.any(axis=1) & ~inside.all(axis=1))


def _continued(blocks: Ints, values: Singles, n: Ints, reach: float) -> Ints:
    """Blocks [M, 3] that are missing beside faces on which |value| < reach, of n blocks per axis."""
    wanted = []
    for axis in range(3):
        for end, step in ((0, -1), (BLOCK - 1, 1)):
            face = np.abs(values.take(end, axis=axis + 1)).min(axis=(1, 2))
            beside = blocks[face < reach].copy()
            beside[:, axis] += step
            wanted.append(beside[(beside[:, axis] >= 0) & (beside[:, axis] < n[axis])])
    key = np.array([n[1] * n[2], n[2], 1], np.int64)
    found = np.unique(np.concatenate(wanted) @ key)
    missing = found[~np.isin(found, blocks @ key)]
    return np.stack(np.unravel_index(missing, tuple(n)), axis=-1).astype(np.int64)
