"""From the signs at the corners of lattice cells to triangles: marching cubes, its vertices named by lattice edges."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from inr.mesh._cases import CORNERS, EDGES, triangle_table
from inr.mesh._lattice import Bools, Ints, Lattice, Reals, Singles

# A crossing closer to the end of its edge than this (in edges) is moved to here, so that no triangle loses its area
# where the level set goes exactly through lattice points. Newton projection takes the rest back.
_END = 1e-3


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
    box because the shape goes on beyond it, not because the field is at its level there."""

    vertices: Reals
    faces: Ints
    capped: Bools


def case_of(values: Singles) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Corner values [..., 8] -> the row of the triangle table; 0 and 255 hold no surface. Inside is below zero."""
    return np.packbits(values < 0, axis=-1, bitorder="little")[..., 0]


def march(cells: Cells, lattice: Lattice) -> Soup:
    """Marching cubes over cells given in any order; the same cells give the same mesh.

    A vertex is named by the integer key of the lattice edge that it lies on, never by its position, so that
    neighbouring cells share it exactly. Vertices beyond the box are drawn back to the lattice point on the wall.
    """
    order = np.argsort(lattice.key(cells.index))
    index, values = cells.index[order], cells.values[order]
    table, counts = triangle_table()
    case = case_of(values)
    count = counts[case]
    cell = np.repeat(np.arange(len(index)), 3 * count)
    slot = np.arange(len(cell)) - np.repeat(np.cumsum(3 * count) - 3 * count, 3 * count)
    edge = table[case[cell], slot]

    lower = index[cell] + CORNERS[EDGES[edge, 0]]
    axis = EDGES[edge, 2]
    at = np.arange(len(cell))
    start = lower[at, axis]
    capped = lattice.leaves(start)
    lower[at, axis] = np.maximum(start, 1)  # where the edge leaves the box, its vertex is the lattice point on the wall
    name = lattice.key(lower) * 4 + np.where(capped, 3, axis)

    _, first, faces = np.unique(name, return_index=True, return_inverse=True)
    f0 = values[cell[first], EDGES[edge[first], 0]].astype(np.float64)
    f1 = values[cell[first], EDGES[edge[first], 1]].astype(np.float64)
    along = np.clip(f0 / (f0 - f1), _END, 1 - _END)
    vertices = lattice.position(lower[first])
    inner = np.flatnonzero(~capped[first])
    vertices[inner, axis[first[inner]]] += along[inner] * lattice.spacing
    triangles = faces.reshape(-1, 3).astype(np.int64)
    # at the edges of the box two such vertices are the same point, and the triangles between them vanish
    whole = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    return Soup(vertices, triangles[whole], capped[first])


def is_closed(faces: Ints) -> bool:
    """Whether every edge of the triangles [F, 3] belongs to exactly two of them."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    if not len(edges):
        return True
    _, times = np.unique(edges[:, 0] * (faces.max() + 1) + edges[:, 1], return_counts=True)
    return bool((times == 2).all())
