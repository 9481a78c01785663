"""A search tree of triangles in space, compiled: the nearest face of each point, exact in float64.

The faces of a node are a range [a, b) of one ordering. The node is split at the place m in (a, b) of least expected
cost, the sum over both halves of faces times surface of the box (the surface area heuristic, on 16 bins along the
longest side), and no two nodes split at the same place. So row m of `nodes` describes this node: the boxes of its
halves, rounded outwards to float32, and what they are: m' if a half is split at m', or -n if it is a leaf of n faces.

The faces of a leaf are compared in float32 side by side, and those that may be the nearest despite rounding again in
float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.jit import compiled_inline
from inr.kernels.threads import compiled, in_parts, in_turn

Array = NDArray[Any]

FACE, CORNER, SIDE = 0, 1, 4
"""Where on a face the nearest point lies: inside, at corner k (CORNER + k), or on the side from corner k to the next
(SIDE + k)."""

_LEAF = 16
_BINS = 16
_DEEP = 48  # levels after which ranges are halved, so that the depth is bounded
_STACK = 96
_TASKS = 64  # ranges that threads split side by side
_LEAST_FACES, _LEAST_POINTS = 4096, 64  # of a thread
_ROUNDING = 2e-6  # of distances in float32, relative to the coordinates


class FaceTree:
    """The tree of faces [F, 3] of vertices [V, 3]: int64 and float64, both contiguous."""

    def __init__(self, vertices: Array, faces: Array) -> None:
        n = len(faces)
        boxes = np.empty((n, 6), np.float32)
        in_parts(lambda k, of: _box_faces(vertices, faces, boxes, k * n // of, (k + 1) * n // of), n, _LEAST_FACES)
        order = np.arange(n, dtype=np.int32)
        nodes = np.zeros((n, 16), np.float32)
        links = nodes.view(np.int32)[:, 12:]
        tasks = np.zeros((4 * _TASKS, 5), np.int64)
        root, count = _split_top(boxes, order, nodes, links, tasks, max(1024, n // _TASKS))
        in_turn(count, lambda i: _split_range(boxes, order, nodes, links, *(int(v) for v in tasks[i])))
        flat = np.zeros((12, n + _LEAF), np.float32)
        in_parts(lambda k, of: _flatten(vertices, faces, order, flat, k * n // of, (k + 1) * n // of), n, _LEAST_FACES)
        self._arrays = root, nodes, links, order, flat, vertices, faces, float(np.abs(vertices).max())

    def nearest(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """The nearest point [N, 3] of the faces to each point x [N, 3], its squared distance [N], the face [N] (int32)
        and where on it the point lies [N] (int8: FACE, CORNER + k or SIDE + k).

        Of equally near faces it is the first, so that the result does not depend on the number of threads. Points are
        looked up in the order of a space-filling curve: the face of one is a good guess for the next.
        """
        x = np.ascontiguousarray(x, np.float64)
        n = len(x)
        order = _along_curve(x)
        at, squared = np.empty((n, 3)), np.empty(n)
        face, where = np.empty(n, np.int32), np.empty(n, np.int8)
        out = at, squared, face, where
        in_parts(lambda k, of: _find(*self._arrays, x, order[k * n // of : (k + 1) * n // of], *out), n, _LEAST_POINTS)
        return out


def _along_curve(x: Array) -> Array:
    """The points [N, 3] in Z-order in their box."""
    n = len(x)
    codes = np.zeros(n, np.int64)
    if n:
        low = x.min(axis=0)
        scale = 1024 / max(float((x.max(axis=0) - low).max()), 1e-300)
        in_parts(lambda k, of: _codes(x, low, scale, k * n // of, (k + 1) * n // of, codes), n, 4096)
    order: Array = np.argsort(codes, kind="stable")
    return order


@compiled
def _codes(x: Array, low: Array, scale: float, start: int, stop: int, codes: Array) -> None:
    for i in range(start, stop):
        code = 0
        for d in range(3):
            cell = min(1023, max(0, int((x[i, d] - low[d]) * scale)))
            cell = (cell | (cell << 16)) & 0x030000FF
            cell = (cell | (cell << 8)) & 0x0300F00F
            cell = (cell | (cell << 4)) & 0x030C30C3
            cell = (cell | (cell << 2)) & 0x09249249
            code |= cell << d
        codes[i] = code


@compiled
def _box_faces(vertices: Array, faces: Array, boxes: Array, start: int, stop: int) -> None:
    """Low and high corners of faces, rounded outwards."""
    for f in range(start, stop):
        for d in range(3):
            a, b, c = vertices[faces[f, 0], d], vertices[faces[f, 1], d], vertices[faces[f, 2], d]
            low, high = min(a, min(b, c)), max(a, max(b, c))
            boxes[f, d] = np.float32(low - 1.2e-7 * abs(low) - 1e-38)
            boxes[f, 3 + d] = np.float32(high + 1.2e-7 * abs(high) + 1e-38)


@compiled
def _flatten(vertices: Array, faces: Array, order: Array, flat: Array, start: int, stop: int) -> None:
    """Columns of `flat` for faces in the tree's order: the first corner, two sides from it, and the unit normal."""
    for i in range(start, stop):
        f = order[i]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        scale = 1 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-300)
        flat[0, i], flat[1, i], flat[2, i] = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        flat[3, i], flat[4, i], flat[5, i] = ux, uy, uz
        flat[6, i], flat[7, i], flat[8, i] = vx, vy, vz
        flat[9, i], flat[10, i], flat[11, i] = nx * scale, ny * scale, nz * scale


@compiled
def _split(boxes: Array, order: Array, a: int, b: int, depth: int, sums: Array) -> int:
    """Order the faces a..b by the best split of them, whose place is returned. sums [2, _BINS, 7]: space to work in."""
    low0, low1, low2 = np.float32(np.inf), np.float32(np.inf), np.float32(np.inf)
    high0, high1, high2 = -low0, -low1, -low2
    for i in range(a, b):  # the box of twice the middles
        m0, m1, m2 = boxes[i, 0] + boxes[i, 3], boxes[i, 1] + boxes[i, 4], boxes[i, 2] + boxes[i, 5]
        low0, high0 = min(low0, m0), max(high0, m0)
        low1, high1 = min(low1, m1), max(high1, m1)
        low2, high2 = min(low2, m2), max(high2, m2)
    d, low, high = 0, low0, high0
    if high1 - low1 > high - low:
        d, low, high = 1, low1, high1
    if high2 - low2 > high - low:
        d, low, high = 2, low2, high2
    middle = (a + b) // 2
    scale = np.float32(_BINS * 0.999) / (high - low)
    if not high > low or depth > _DEEP or not math.isfinite(scale):
        return middle
    counts, costs = sums[0, :, 6], sums[1, :, 6]
    for k in range(_BINS):
        counts[k] = 0
        for e in range(3):
            sums[0, k, e], sums[0, k, 3 + e] = np.inf, -np.inf
    for i in range(a, b):
        k = int((boxes[i, d] + boxes[i, 3 + d] - low) * scale)
        counts[k] += 1
        for e in range(3):
            sums[0, k, e] = min(sums[0, k, e], boxes[i, e])
            sums[0, k, 3 + e] = max(sums[0, k, 3 + e], boxes[i, 3 + e])
    box = sums[1, 0, :6]
    box[:3], box[3:] = np.inf, -np.inf
    n = 0.0
    for k in range(_BINS - 1, 0, -1):  # cost of what lies above the boundary before bin k
        n += counts[k]
        costs[k] = n * _grown(box, sums[0, k])
    box[:3], box[3:] = np.inf, -np.inf
    n, best, chosen = 0.0, np.inf, 0
    for k in range(1, _BINS):
        n += counts[k - 1]
        cost = n * _grown(box, sums[0, k - 1]) + costs[k]
        if cost < best and 0 < n < b - a:
            best, chosen = cost, k
    if chosen == 0:
        return middle
    i, j = a, b - 1
    while True:
        while i <= j and int((boxes[i, d] + boxes[i, 3 + d] - low) * scale) < chosen:
            i += 1
        while i <= j and int((boxes[j, d] + boxes[j, 3 + d] - low) * scale) >= chosen:
            j -= 1
        if i >= j:
            return i
        order[i], order[j] = order[j], order[i]
        for e in range(6):
            boxes[i, e], boxes[j, e] = boxes[j, e], boxes[i, e]


@compiled
def _grown(box: Array, other: Array) -> float:
    """Make a box contain another; half its surface then, or 0 if it is empty."""
    for e in range(3):
        box[e], box[3 + e] = min(box[e], other[e]), max(box[3 + e], other[3 + e])
    x, y, z = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return x * y + y * z + z * x if x >= 0 else 0.0


@compiled
def _split_node(
    boxes: Array, order: Array, nodes: Array, a: int, b: int, depth: int, sums: Array, stack: Array, top: int
) -> int:
    """Split the range a..b, write the boxes of its halves, and put them on the stack; the place of the split."""
    m = _split(boxes, order, a, b, depth, sums)
    for half in range(2):
        start, stop = (m, b) if half else (a, m)
        for d in range(3):
            low, high = boxes[start, d], boxes[start, 3 + d]
            for i in range(start + 1, stop):
                low, high = min(low, boxes[i, d]), max(high, boxes[i, 3 + d])
            nodes[m, 6 * half + d], nodes[m, 6 * half + 3 + d] = low, high
        stack[top + half, 0], stack[top + half, 1], stack[top + half, 2] = start, stop, depth + 1
        stack[top + half, 3], stack[top + half, 4] = m, half
    return m


@compiled
def _split_top(boxes: Array, order: Array, nodes: Array, links: Array, tasks: Array, size: int) -> tuple[int, int]:
    """Split ranges of more than `size` faces; the root's link, and how many rows of tasks were written: ranges that are
    left, as the arguments of `_split_range` after the arrays."""
    n = len(order)
    if n <= _LEAF:
        return -n, 0
    sums = np.empty((2, _BINS, 7))
    stack = np.empty((_STACK, 5), np.int64)
    root = _split_node(boxes, order, nodes, 0, n, 0, sums, stack, 0)
    top, n_tasks = 2, 0
    while top:
        top -= 1
        a, b, depth, parent, half = stack[top]
        if b - a <= size or n_tasks + top + 2 >= len(tasks):
            tasks[n_tasks] = stack[top]
            n_tasks += 1
        else:
            links[parent, half] = _split_node(boxes, order, nodes, a, b, depth, sums, stack, top)
            top += 2
    return root, n_tasks


@compiled
def _split_range(
    boxes: Array, order: Array, nodes: Array, links: Array, a: int, b: int, depth: int, parent: int, half: int
) -> None:
    """Split the range a..b, which is a half of the node of row `parent`, down to leaves."""
    sums = np.empty((2, _BINS, 7))
    stack = np.empty((_STACK, 5), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = a, b, depth, parent, half
    top = 1
    while top:
        top -= 1
        a, b, depth, parent, half = stack[top]
        if b - a <= _LEAF:
            links[parent, half] = a - b
        else:
            links[parent, half] = _split_node(boxes, order, nodes, a, b, depth, sums, stack, top)
            top += 2


@compiled_inline
def _apart(nodes: Array, row: int, at: int, x: float, y: float, z: float) -> Any:
    """Squared distance of a point from the box at nodes[row, at:]."""
    dx = max(max(nodes[row, at] - x, x - nodes[row, at + 3]), 0.0)
    dy = max(max(nodes[row, at + 1] - y, y - nodes[row, at + 4]), 0.0)
    dz = max(max(nodes[row, at + 2] - z, z - nodes[row, at + 5]), 0.0)
    return dx * dx + dy * dy + dz * dz


@compiled_inline
def _from_side(x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any) -> Any:
    """Squared distance of (x, y, z) from the segment from 0 to e."""
    t = (x * ex + y * ey + z * ez) / (ex * ex + ey * ey + ez * ez)
    t = min(max(t, np.float32(0)), np.float32(1))
    x, y, z = x - t * ex, y - t * ey, z - t * ez
    return x * x + y * y + z * z


@compiled_inline
def _inward(x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any, nx: Any, ny: Any, nz: Any) -> Any:
    """Positive if (x, y, z) is on the inner side of the side e of a face with the normal n."""
    return x * (ny * ez - nz * ey) + y * (nz * ex - nx * ez) + z * (nx * ey - ny * ex)


@compiled
def _roughly(flat: Array, begin: int, x: Any, y: Any, z: Any, found: Array) -> None:
    """Squared distances, in float32, of a point from the _LEAF columns of `flat` at `begin`."""
    for k in range(_LEAF):
        i = np.uint64(begin) + np.uint64(k)  # not negative: the loop becomes vector instructions
        px, py, pz = x - flat[0, i], y - flat[1, i], z - flat[2, i]
        ux, uy, uz = flat[3, i], flat[4, i], flat[5, i]
        vx, vy, vz = flat[6, i], flat[7, i], flat[8, i]
        nx, ny, nz = flat[9, i], flat[10, i], flat[11, i]
        height = px * nx + py * ny + pz * nz
        inward = min(
            _inward(px, py, pz, ux, uy, uz, nx, ny, nz),
            _inward(px, py, pz, -vx, -vy, -vz, nx, ny, nz),
        )
        aside = min(_from_side(px, py, pz, ux, uy, uz), _from_side(px, py, pz, vx, vy, vz))
        px, py, pz = px - ux, py - uy, pz - uz
        vx, vy, vz = vx - ux, vy - uy, vz - uz
        inward = min(inward, _inward(px, py, pz, vx, vy, vz, nx, ny, nz))
        aside = min(aside, _from_side(px, py, pz, vx, vy, vz))
        found[k] = height * height if inward >= 0 else aside


@compiled_inline
def _share(a: float, b: float) -> float:
    return a / b if b > 0 else 0.0


@compiled
def _on_face(
    vertices: Array, a: int, b: int, c: int, x: float, y: float, z: float
) -> tuple[float, float, float, float, int]:
    """Squared distance of a point from a face, the nearest point of it and where that lies (Ericson 2005, 5.1.5)."""
    ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
    cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - ax, cy - ay, cz - az
    px, py, pz = x - ax, y - ay, z - az
    d1, d2 = ux * px + uy * py + uz * pz, vx * px + vy * py + vz * pz
    px, py, pz = x - bx, y - by, z - bz
    d3, d4 = ux * px + uy * py + uz * pz, vx * px + vy * py + vz * pz
    px, py, pz = x - cx, y - cy, z - cz
    d5, d6 = ux * px + uy * py + uz * pz, vx * px + vy * py + vz * pz
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        s, t, where = 0.0, 0.0, CORNER
    elif d3 >= 0 and d4 <= d3:
        s, t, where = 1.0, 0.0, CORNER + 1
    elif d6 >= 0 and d5 <= d6:
        s, t, where = 0.0, 1.0, CORNER + 2
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        s, t, where = _share(d1, d1 - d3), 0.0, SIDE
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        s, t, where = 0.0, _share(d2, d2 - d6), SIDE + 2
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        t = _share(d4 - d3, (d4 - d3) + (d5 - d6))
        s, where = 1 - t, SIDE + 1
    else:
        s, t, where = _share(vb, va + vb + vc), _share(vc, va + vb + vc), FACE
    qx, qy, qz = ax + s * ux + t * vx, ay + s * uy + t * vy, az + s * uz + t * vz
    return (x - qx) ** 2 + (y - qy) ** 2 + (z - qz) ** 2, qx, qy, qz, where


@compiled
def _find(
    root: int,
    nodes: Array,
    links: Array,
    order: Array,
    flat: Array,
    vertices: Array,
    faces: Array,
    size: float,
    x: Array,
    queue: Array,
    at: Array,
    squared: Array,
    face: Array,
    where: Array,
) -> None:
    """The nearest faces of the points in the queue. See `FaceTree.nearest`; size: largest coordinate of a vertex."""
    stack = np.empty((_STACK, 2), np.int64)
    apart = np.empty(_STACK)
    rough = np.empty(_LEAF, np.float32)
    guess = np.int64(0)
    for i in queue:
        px, py, pz = x[i, 0], x[i, 1], x[i, 2]
        slack = _ROUNDING * (size + abs(px) + abs(py) + abs(pz))
        best, bx, by, bz, place = _on_face(vertices, faces[guess, 0], faces[guess, 1], faces[guess, 2], px, py, pz)
        top, row, half, link, here = 0, 0, 1, root, 0.0
        while True:
            if here > best:
                pass
            elif link > 0:
                near, far = _apart(nodes, link, 0, px, py, pz), _apart(nodes, link, 6, px, py, pz)
                row, half, here = link, 0, near
                if far < near:
                    half, near, far, here = 1, far, near, far
                if far <= best:
                    stack[top, 0], stack[top, 1], apart[top] = row, 1 - half, far
                    top += 1
                link = links[row, half]
                continue
            else:
                begin = row if half else row + link
                _roughly(flat, begin, np.float32(px), np.float32(py), np.float32(pz), rough)
                limit = (math.sqrt(best) + slack) ** 2
                for k in range(-link):
                    if rough[k] > limit:
                        continue
                    f = np.int64(order[begin + k])
                    d, qx, qy, qz, p = _on_face(vertices, faces[f, 0], faces[f, 1], faces[f, 2], px, py, pz)
                    if d < best or (d == best and f < guess):
                        best, bx, by, bz, place, guess = d, qx, qy, qz, p, f
                        limit = (math.sqrt(best) + slack) ** 2
            if top == 0:
                break
            top -= 1
            row, half, here = stack[top, 0], stack[top, 1], apart[top]
            link = links[row, half]
        squared[i], face[i], where[i] = best, guess, place
        at[i, 0], at[i, 1], at[i, 2] = bx, by, bz
