"""From the values at the corners of lattice cells to triangles: scikit-image's marching cubes over blocks of cells,
stitched by the lattice edges that the vertices lie on."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from inr.mesh._octree_grid import CORNERS, Bools, Ints, OctreeGrid, Reals, Singles

# A crossing closer to the end of its edge than this (in edges) is moved to here, so that no triangle loses its area
# where the level set goes exactly through lattice points. Newton projection undoes the rest.
_END = 1e-3

# Measured: blocks of 4 and 16 cells are as fast within 15 %, of 2 and 32 half as fast. The side is even, so that
# the chessboard of a block is that of the lattice.
_SIDE = 8
BLOCKS_PER_CALL = 256

# What marching cubes sees of a value, see `_regular`. A crossing is at least 1/1025 of an edge from its ends, several
# times the rounding of the largest float32 coordinate, BLOCKS_PER_CALL (_SIDE + 1).
_REACH = 32.0
_TILT = 1 + 2.0**-10 * (np.indices((_SIDE + 1,) * 3).sum(axis=0) % 2)


@dataclasses.dataclass(frozen=True)
class Cells:
    """The lattice cells that the level set crosses. index [S, 3]: lowest corner; values [S, 8]: f - level at corners.

    Points beyond the box have the value +h.
    """

    index: Ints
    values: Singles


@dataclasses.dataclass(frozen=True)
class Soup:
    """Triangles before refinement. vertices [V, 3] in the unit box; faces [F, 3]; capped [V]: lies on a wall of the
    box because the shape continues beyond it, not because the field is at its level there."""

    vertices: Reals
    faces: Ints
    capped: Bools


def is_crossed(values: Singles) -> Bools:
    """Corner values [..., 8] -> whether the cell holds surface. Inside is below zero."""
    inside = values < 0
    return np.asarray(inside.any(axis=-1) & ~inside.all(axis=-1))


def march(cells: Cells, lattice: OctreeGrid) -> Soup:
    """Marching cubes over crossed cells given in any order; the same cells give the same mesh.

    A vertex is named by the lattice edge that it lies on (those few inside a cell, by the cell), never by its
    position, so that blocks share it exactly. Vertices beyond the box are drawn back to the lattice point on the wall.
    """
    if not len(cells.index):
        return Soup(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=bool))
    keys, block = np.unique(lattice.key(cells.index // _SIDE), return_inverse=True)
    order = np.argsort(block, kind="stable")
    bounds = np.searchsorted(block[order], np.arange(0, len(keys) + BLOCKS_PER_CALL, BLOCKS_PER_CALL))
    scale = max(float(np.median(np.abs(cells.values))), float(np.finfo(np.float32).tiny))
    parts = []
    n = 0
    for low, high in itertools.pairwise(bounds):
        here = order[low:high]
        part = _march_blocks(Cells(cells.index[here], cells.values[here]), lattice, scale)
        parts.append(dataclasses.replace(part, faces=part.faces + n))
        n += len(part.names)
    names = np.concatenate([part.names for part in parts])
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    faces = number[np.concatenate([part.faces for part in parts])]
    # at the edges of the box two capped vertices are the same point, and the triangles between them vanish
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    vertices = np.concatenate([part.vertices for part in parts])[first]
    return Soup(vertices, faces[whole], np.concatenate([part.capped for part in parts])[first])


def is_closed(faces: Ints) -> bool:
    """Whether every edge of the triangles [F, 3] belongs to exactly two of them."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    if not len(edges):
        return True
    _, times = np.unique(edges[:, 0] * (faces.max() + 1) + edges[:, 1], return_counts=True)
    return bool((times == 2).all())


@dataclasses.dataclass(frozen=True)
class _Part(Soup):
    """The triangles of some blocks. names [V]: equal where vertices of different blocks are the same."""

    names: Ints


def _march_blocks(cells: Cells, lattice: OctreeGrid, scale: float) -> _Part:
    """One call of marching cubes, over the blocks that hold these cells, one after another along the first axis."""
    from skimage.measure import marching_cubes

    keys, block = np.unique(lattice.key(cells.index // _SIDE), return_inverse=True)
    origin = lattice.index(keys) * _SIDE
    across = _SIDE + 1
    within = cells.index - origin[block]
    row = within + block[:, None] * [across, 0, 0]  # of the cells' lowest corners in the stack of blocks
    shape = (len(keys) * across, across, across)
    values = np.full(shape, scale, dtype=np.float32)
    for offset, at_corner in zip(CORNERS, cells.values.T, strict=True):
        values[tuple((row + offset).T)] = at_corner
    known = np.zeros(shape, dtype=bool)  # marching cubes looks at the highest corner of a cell; none joins two blocks
    known[tuple((row + 1).T)] = True
    found, faces, _, _ = marching_cubes(_regular(values, scale), 0.0, mask=known)

    lowest = np.floor(found).astype(np.int64)
    along = found - lowest
    axis = along.argmax(axis=1)
    ahead = lowest + np.eye(3, dtype=np.int64)[axis]
    is_inner = along.min(axis=1) > 0
    f0, f1 = (values[tuple(end.T)].astype(np.float64) for end in (lowest, ahead))
    at = np.flatnonzero(~is_inner)
    share = np.zeros_like(found, dtype=np.float64)
    share[is_inner] = along[is_inner]
    share[at, axis[at]] = np.clip(f0[at] / (f0[at] - f1[at]), _END, 1 - _END)

    block, lowest[:, 0] = np.divmod(lowest[:, 0], across)
    lowest += origin[block]
    start = lowest[at, axis[at]]
    capped = np.zeros(len(found), dtype=bool)
    capped[at] = lattice.leaves(start)
    lowest[at, axis[at]] = np.maximum(start, 1)  # where the edge leaves the box, its vertex is the point on the wall
    share[capped] = 0.0
    names = lattice.key(lowest) * 5 + np.where(is_inner, 3, np.where(capped, 4, axis))
    return _Part(lattice.position(lowest) + share * lattice.spacing, faces.astype(np.int64), capped, names)


def _regular(values: Singles, scale: float) -> Singles:
    """The same signs in values for which marching cubes is exact: without zeros, ties, and tiny or huge ratios.

    `marching_cubes` gives positions in float32 only, so a crossing must not be too close to an end of its edge, or its
    edge could not be recognised; its test of ambiguous faces, v00 v11 against v01 v10, leaves holes or doubled faces
    where the products are equal. So the values are cut to a range around their scale, and every other lattice
    point, as on a chessboard, is increased by a thousandth, equally in all blocks.
    """
    size = np.clip(np.abs(values.astype(np.float64) / scale), 1 / _REACH, _REACH)
    size = (size.reshape(-1, *_TILT.shape) * _TILT).reshape(values.shape)
    return np.asarray(np.where(values < 0, -size, size), dtype=np.float32)
