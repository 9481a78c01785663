"""Values at the lattice points near a surface, in pages of 16^3 points, and the triangles between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.core.jit import compiled
from inr.mesh._cases import EDGES, cases
from inr.mesh._octree_grid import Ints, OctreeGrid

PAGE = 16
_UNKNOWN, _WANTED = np.float32(np.inf), np.float32(-np.inf)
_SHIFT, _MASK = 4, 15


class Layer:
    """One layer of coarse cells along the first axis: from lattice index `start` to `start` + stride, both included.

    page_of [X, Y, Z]: the page of every group of 16^3 points, -1 if none. values [P, 4096]: infinite where unknown.
    vertex [P, 3 * 4096]: number of the vertex on the lattice edge from each point along each axis, -1 if none.
    """

    def __init__(self, lattice: OctreeGrid, start: int) -> None:
        self.lattice, self.start = lattice, start
        across = (lattice.side - 1 >> _SHIFT) + 1
        self.page_of = np.full((lattice.stride // PAGE + 1, across, across), -1, np.int32)
        self.values = np.empty((0, PAGE**3), np.float32)
        self.vertex = np.empty((0, 3 * PAGE**3), np.int32)

    def follow(self, last: Layer) -> None:
        """Take over the points of the plane that this layer shares with the one before, with their vertices."""
        shared = last.page_of[-1]
        used = shared[shared >= 0]
        self.page_of[0][shared >= 0] = np.arange(len(used))
        self.values, self.vertex = last.values[used], last.vertex[used]

    def claim(self, blocks: Ints) -> None:
        """Make room for the points of blocks [B, 3] of 2^3 cells."""
        n = _claim(blocks, self.start, self.page_of, len(self.values))
        self.values, self.vertex = _longer(self.values, n, _UNKNOWN), _longer(self.vertex, n, -1)

    def wanted(self, blocks: Ints) -> Ints:
        """Lattice points [N, 3] of claimed blocks [B, 3] whose values are unknown, in the order of `fill`."""
        return np.asarray(_want(blocks, self.start, self.page_of, self.values), np.int64)

    def fill(self, points: Ints, values: Any) -> None:
        _fill(points, self.start, self.page_of, self.values, values)

    def triangles(self, blocks: Ints, first: int) -> tuple[Any, Any]:
        """Vertices [V, 3] float32 in the unit box, numbered from `first`, and faces [F, 3] int32 of blocks [B, 3]."""
        table, number = cases()
        case = np.empty((len(blocks), 8), np.uint8)
        n_faces = _classify(blocks, self.start, self.page_of, self.values, number, case)
        vertices, faces = np.empty((2 * n_faces + 64, 3), np.float32), np.empty((n_faces, 3), np.int32)
        n = _march(
            *(blocks, case, self.start, self.page_of, self.values, self.vertex, table, number, EDGES),
            *(self.lattice.resolution, first, vertices, faces),
        )
        return vertices[:n].copy(), faces


def _longer(rows: Any, n: int, value: Any) -> Any:
    """An array of n rows that starts with the given ones; `value` in the others."""
    found = np.empty((n, rows.shape[1]), rows.dtype)
    found[: len(rows)] = rows
    found[len(rows) :] = value
    return found


@compiled
def _claim(blocks: Any, start: Any, page_of: Any, n: Any) -> Any:
    """Give a page to every group of points that blocks touch; returns the number of pages, n of which exist."""
    for b in range(len(blocks)):
        x, y, z = 2 * blocks[b, 0] - start, 2 * blocks[b, 1], 2 * blocks[b, 2]
        for i in range(x >> _SHIFT, (x + 2 >> _SHIFT) + 1):
            for j in range(y >> _SHIFT, (y + 2 >> _SHIFT) + 1):
                for k in range(z >> _SHIFT, (z + 2 >> _SHIFT) + 1):
                    if page_of[i, j, k] < 0:
                        page_of[i, j, k] = n
                        n += 1
    return n


@compiled
def _want(blocks: Any, start: Any, page_of: Any, values: Any) -> Any:
    found = np.empty((27 * len(blocks), 3), np.int32)
    n = 0
    for b in range(len(blocks)):
        for c in range(27):
            x, y, z = 2 * blocks[b, 0] + c // 9, 2 * blocks[b, 1] + c // 3 % 3, 2 * blocks[b, 2] + c % 3
            page = page_of[x - start >> _SHIFT, y >> _SHIFT, z >> _SHIFT]
            at = (((x - start & _MASK) << _SHIFT) + (y & _MASK) << _SHIFT) + (z & _MASK)
            if values[page, at] == _UNKNOWN:
                values[page, at] = _WANTED
                found[n, 0], found[n, 1], found[n, 2] = x, y, z
                n += 1
    return found[:n].copy()


@compiled
def _fill(points: Any, start: Any, page_of: Any, values: Any, given: Any) -> None:
    for n in range(len(points)):
        x, y, z = points[n, 0] - start, points[n, 1], points[n, 2]
        at = (((x & _MASK) << _SHIFT) + (y & _MASK) << _SHIFT) + (z & _MASK)
        values[page_of[x >> _SHIFT, y >> _SHIFT, z >> _SHIFT], at] = given[n]


@compiled
def _value(x: Any, y: Any, z: Any, page_of: Any, values: Any) -> Any:
    at = (((x & _MASK) << _SHIFT) + (y & _MASK) << _SHIFT) + (z & _MASK)
    return values[page_of[x >> _SHIFT, y >> _SHIFT, z >> _SHIFT], at]


@compiled
def _classify(blocks: Any, start: Any, page_of: Any, values: Any, number: Any, case: Any) -> Any:
    """The cases of marching cubes of the 8 cells of each block, into `case`; returns the number of triangles."""
    inside = np.empty(27, np.uint8)
    n = 0
    for b in range(len(blocks)):
        x, y, z = 2 * blocks[b, 0] - start, 2 * blocks[b, 1], 2 * blocks[b, 2]
        n_inside = 0
        for c in range(27):
            inside[c] = _value(x + c // 9, y + c // 3 % 3, z + c % 3, page_of, values) < 0
            n_inside += inside[c]
        if n_inside == 0 or n_inside == 27:
            case[b] = 0
            continue
        for c in range(8):
            first = 9 * (c >> 2) + 3 * (c >> 1 & 1) + (c & 1)
            found = 0
            for d in range(8):
                found |= inside[first + 9 * (d >> 2) + 3 * (d >> 1 & 1) + (d & 1)] << d
            case[b, c] = found
            n += number[found]
    return n


@compiled
def _march(
    blocks: Any,
    cases: Any,
    start: Any,
    page_of: Any,
    values: Any,
    vertex: Any,
    table: Any,
    number: Any,
    edges: Any,
    resolution: Any,
    first: Any,
    vertices: Any,
    faces: Any,
) -> Any:
    """Triangles of all cells of the blocks; returns the number of new vertices. Points beyond the box go to it."""
    n, n_faces = 0, 0
    for b in range(len(blocks)):
        for c in range(8):
            x, y, z = 2 * blocks[b, 0] + (c >> 2), 2 * blocks[b, 1] + (c >> 1 & 1), 2 * blocks[b, 2] + (c & 1)
            case = cases[b, c]
            for t in range(number[case]):
                for k in range(3):
                    edge = table[case, t, k]
                    low, high = edges[edge, 0], edges[edge, 1]
                    i, j, m = x + (low >> 2), y + (low >> 1 & 1), z + (low & 1)
                    page = page_of[i - start >> _SHIFT, j >> _SHIFT, m >> _SHIFT]
                    at = (((i - start & _MASK) << _SHIFT) + (j & _MASK) << _SHIFT) + (m & _MASK)
                    axis = 0 if high - low == 4 else (1 if high - low == 2 else 2)
                    at = 3 * at + axis
                    if vertex[page, at] < 0:
                        vertex[page, at] = first + n
                        here = values[page, at // 3]
                        there = _value(x - start + (high >> 2), y + (high >> 1 & 1), z + (high & 1), page_of, values)
                        share = here / (here - there)
                        share = min(max(share, np.float32(1e-3)), np.float32(1 - 1e-3))
                        for d, p in enumerate((i, j, m)):
                            place = p - 1 + (share if d == axis else np.float32(0))
                            vertices[n, d] = min(max(place, 0.0), float(resolution)) / resolution
                        n += 1
                    faces[n_faces, k] = vertex[page, at]
                n_faces += 1
    return n


@compiled
def n_unpaired(faces: Any, low: Any, high: Any) -> Any:
    """Edges whose lower vertex is in low..high - 1 that two faces do not pass once in each direction."""
    size = np.zeros(high - low + 1, np.int64)
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            least = min(a, b)
            if low <= least < high:
                size[least - low + 1] += 1
    for v in range(high - low):
        size[v + 1] += size[v]
    other = np.empty(size[high - low], np.int64)
    place = size[:-1].copy()
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            least = min(a, b)
            if low <= least < high:
                other[place[least - low]] = 2 * max(a, b) + (1 if a > b else 0)
                place[least - low] += 1
    wrong = 0
    for v in range(high - low):
        ends = other[size[v] : size[v + 1]]
        ends.sort()
        n = len(ends)
        e = 0
        while e < n:
            if (
                e + 1 < n
                and ends[e] % 2 == 0
                and ends[e + 1] == ends[e] + 1
                and (e + 2 == n or ends[e + 2] // 2 != ends[e] // 2)
            ):
                e += 2
            else:
                wrong += 1
                e += 1
    return wrong


@compiled
def join(faces: Any, parent: Any) -> None:
    """Union of the vertices of each face: parent [V] int32, first 0 .. V - 1, at last the least vertex of the part."""
    for f in range(len(faces)):
        a = faces[f, 0]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        for k in range(1, 3):
            b = faces[f, k]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if b < a:
                parent[a] = b
                a = b
            elif a < b:
                parent[b] = a
    for v in range(len(parent)):
        parent[v] = parent[parent[v]]


@compiled
def volumes(vertices: Any, faces: Any, parent: Any, found: Any) -> None:
    """Add the signed volume of each face to that of its part: found [V], at the least vertex of the part."""
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = vertices[a, 0] - 0.5, vertices[a, 1] - 0.5, vertices[a, 2] - 0.5
        bx, by, bz = vertices[b, 0] - 0.5, vertices[b, 1] - 0.5, vertices[b, 2] - 0.5
        cx, cy, cz = vertices[c, 0] - 0.5, vertices[c, 1] - 0.5, vertices[c, 2] - 0.5
        found[parent[a]] += (ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)) / 6
