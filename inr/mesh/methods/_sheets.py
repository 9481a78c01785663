"""The sheets of surface in lattice cells, and the four around every crossed lattice edge.

The crossed edges of a cell form closed cycles: two edges of a face that the surface joins are neighbours. A cell has
one sheet per cycle. Where all four edges of a face are crossed, the sign of the bilinear interpolant at its saddle
decides which of them are joined (asymptotic decider: Nielson, Hamann 1991, doi:10.1109/VISUAL.1991.175782).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from inr.mesh._octree_grid import CORNERS, Bools, Ints, OctreeGrid, Reals
from inr.mesh.march import Cells

_EDGES: Ints = np.array([(c, c + (4 >> a)) for a in range(3) for c in range(8) if not c & (4 >> a)])
"""[12, 2]: corners at the ends of the edges of a cell, four along each axis."""
_AXIS: Ints = np.repeat(np.arange(3), 4)


def _edge(one: int, two: int) -> int:
    return int(np.flatnonzero((np.array(sorted((one, two))) == _EDGES).all(axis=1))[0])


def _faces() -> tuple[Ints, Ints]:
    """Corners [6, 4] of the faces, in a circle, low and high of each axis; edges [6, 4]: k from corner k on."""
    corners = []
    for axis in range(3):
        b, c = (4 >> other for other in range(3) if other != axis)
        corners += [[side, side + b, side + b + c, side + c] for side in (0, 4 >> axis)]
    edges = [[_edge(face[k], face[(k + 1) % 4]) for k in range(4)] for face in corners]
    return np.array(corners), np.array(edges)


_FACE_CORNERS, _FACE_EDGES = _faces()


@dataclasses.dataclass(frozen=True)
class Sheets:
    """The E crossed lattice edges and the V sheets of a set of cells.

    quads [E, 4]: the sheets around each edge, counter-clockwise as seen from outside. cell [V]: that of each sheet, as
    a row of `Cells`. start [E, 3]: lowest lattice point of each edge. axis [E]: its direction. values [E, 2]: at its
    ends.
    """

    quads: Ints
    cell: Ints
    start: Ints
    axis: Ints
    values: Reals

    @property
    def pairs(self) -> tuple[Ints, Ints]:
        """Every sheet with every edge that it has a crossing on: sheets [4 E], edges [4 E]."""
        return self.quads.reshape(-1), np.repeat(np.arange(len(self.quads)), 4)


def sheets_of(cells: Cells, lattice: OctreeGrid) -> Sheets:
    """The sheets of all crossed cells. Every edge of the quads is that of exactly two, and the quads around a sheet
    form one fan, so that the mesh is a manifold whatever the values are.

    Two sheets that would meet in both pairs of edges of one face, which needs such a face in both cells, are
    separated: the face is decided the other way.
    """
    order = np.argsort(lattice.key(cells.index))
    index, values = cells.index[order], cells.values[order].astype(np.float64)
    ends = values[:, _EDGES]
    crossed = (ends[..., 0] < 0) != (ends[..., 1] < 0)
    joins = _decided(values)
    cycle = _cycles(crossed, joins)
    _separate(cycle, crossed, joins, index, lattice)

    is_first = crossed & (cycle == np.arange(12))
    number = np.cumsum(is_first).reshape(is_first.shape) - 1
    sheet = np.take_along_axis(number, cycle, axis=1)
    row, edge = np.nonzero(crossed)
    start, axis = index[row] + CORNERS[_EDGES[edge, 0]], _AXIS[edge]
    name = 3 * lattice.key(start) + axis
    offset = CORNERS[_EDGES[edge, 0]]
    b, c = (np.take_along_axis(offset, (axis[:, None] + k) % 3, axis=1)[:, 0] for k in (1, 2))
    turn = np.where(c == 0, b, 3 - b)  # of the cell around the edge, counter-clockwise as seen against its direction
    by_edge = np.lexsort([turn, name]).reshape(-1, 4)
    one = by_edge[:, 0]
    quads, values_of_edge = sheet[row, edge][by_edge], ends[row[one], edge[one]]
    quads = np.where(values_of_edge[:, :1] < 0, quads, quads[:, ::-1])
    return Sheets(quads, order[np.nonzero(is_first)[0]], start[one], axis[one], values_of_edge)


def _decided(values: Reals) -> Bools:
    """[S, 6]: whether the surface joins edges 0 with 1 and 2 with 3 of a face whose four edges are crossed; else 1 with
    2 and 3 with 0. Both cells of a face have the same values, so they decide alike."""
    face = values[:, _FACE_CORNERS]
    even, odd = face[..., 0] * face[..., 2], face[..., 1] * face[..., 3]
    return np.asarray(np.where(even == odd, face[..., 0] >= 0, even > odd))


def _cycles(crossed: Bools, joins: Bools) -> Ints:
    """[S, 12]: the lowest edge of the cycle of each crossed edge."""
    partners = np.tile(np.arange(12), (len(crossed), 2, 1))
    seen = np.zeros(12, dtype=np.int64)
    rows = np.arange(len(crossed))
    for face, edges in enumerate(_FACE_EDGES):
        here = crossed[:, edges]
        is_full = here.all(axis=1)
        for k, edge in enumerate(edges):
            ways = here.copy()
            ways[:, k] = False
            other = edges[ways.argmax(axis=1)]
            after, before = edges[(k + 1) % 4], edges[(k - 1) % 4]
            paired = np.where(joins[:, face] == (k % 2 == 0), after, before)
            other = np.where(is_full, paired, other)
            partners[rows, seen[edge], edge] = np.where(here[:, k], other, edge)
            seen[edge] += 1
    cycle = np.tile(np.arange(12), (len(crossed), 1))
    for _ in range(6):  # a cycle has at most 12 edges, and labels spread both ways
        for side in range(2):
            cycle = np.minimum(cycle, np.take_along_axis(cycle, partners[:, side], axis=1))
    return cycle


def _separate(cycle: Ints, crossed: Bools, joins: Bools, index: Ints, lattice: OctreeGrid) -> None:
    """Decide faces the other way whose two pairs of edges belong to one cycle on both sides. Changes `cycle`, `joins`.

    To decide a face otherwise cuts a cycle that has both pairs in two. One face per cell at a time, so the number of
    cycles grows with every round, and the rounds end.
    """
    full = np.asarray(crossed[:, _FACE_EDGES].all(axis=2))
    below, face = np.nonzero(full[:, 1::2])  # the high faces
    step = np.eye(3, dtype=np.int64)[face]
    above = np.searchsorted(lattice.key(index), lattice.key(index[below] + step))
    first, third = _FACE_EDGES[2 * face, 0], _FACE_EDGES[2 * face, 2]
    first_high, third_high = _FACE_EDGES[2 * face + 1, 0], _FACE_EDGES[2 * face + 1, 2]
    while True:
        twice = (cycle[below, first_high] == cycle[below, third_high]) & (cycle[above, first] == cycle[above, third])
        at = np.flatnonzero(twice)
        if not len(at):
            return
        owner: Any = np.full(len(index), len(below))
        np.minimum.at(owner, below[at], at)
        np.minimum.at(owner, above[at], at)
        chosen = at[(owner[below[at]] == at) & (owner[above[at]] == at)]
        joins[below[chosen], 2 * face[chosen] + 1] ^= True
        joins[above[chosen], 2 * face[chosen]] ^= True
        touched = np.concatenate([below[chosen], above[chosen]])
        cycle[touched] = _cycles(crossed[touched], joins[touched])
