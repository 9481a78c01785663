"""`extract_open`: the surface of a field of unsigned distances as a triangle mesh that may be open.

Vertices as in DualMesh-UDF (Zhang et al. 2023, arXiv 2309.08878), see `_tangent_planes`. Its faces exist wherever four
cells around a lattice edge have vertices; here the edge must be one that the surface crosses (`_crossed_edges`), which
leaves fewer holes and no folds. Rims are moved to where the surface ends.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from inr.mesh._crossed_edges import Crossed, crossed_edges
from inr.mesh._octree_grid import Bools, Ints, OnProgress, PointEvaluator, Reals
from inr.mesh._patches import (
    Sides,
    described,
    holes_closed,
    notches_closed,
    parts_of,
    turned_alike,
    without_ears,
    without_flaps,
    without_short_rims,
    without_specks,
    without_strays,
)
from inr.mesh._rims import moved_to_corners, moved_to_rim, rim_split
from inr.mesh._slits import slits_closed
from inr.mesh._tangent_planes import vertices_of
from inr.mesh.extract import MeshResult, check_settings
from inr.mesh.march import is_closed
from inr.mesh.measure import measure
from inr.mesh.mending import mended
from inr.mesh.project import face_normals, unit

_ON, _CLOSE = 0.6, 0.15  # distance from the surface, in cells, of the middle of a hole or a notch that is closed
_HELD = 1.25  # errors of the field by which a vertex of the boundary may be off the surface
_SMALL = 0.3  # area, in cells, of the faces around such a vertex that are left out
_SHORT = 0.05  # length of an edge of a boundary, in cells, below which its ends are joined


def extract_open(
    values: Callable[[Tensor], Tensor],
    *,
    resolution: int = 256,
    gradient: Callable[[Tensor], Tensor] | None = None,
    chunk: int = 1 << 16,
    memory_bytes: int = 8 << 30,
    on_progress: OnProgress | None = None,
) -> MeshResult:
    """Triangulate {x in [0, 1]^3 : u(x) = 0} on a lattice of `resolution` cells along each axis.

    values: unit-box points [N, 3] float32 -> distances [N] >= 0 in unit-box lengths. gradient: points [N, 3] -> du/dx
    [N, 3]; by default central differences over half a cell each way. chunk, memory_bytes, on_progress: as for
    `extract_mesh`.

    The mesh may be open, not orientable, and have edges with more than two faces, as `open` of the result says. A
    boundary is moved to where the surface ends: from points q beyond it to q - u grad u. Faces are turned alike as
    far as possible; those of a closed part outwards. Holes of at most 8 edges are closed, parts of fewer than 20 faces
    left out. The result is "empty" if no lattice edge is crossed.

    Sheets closer than two cells are not told apart. Raises UsageError as `extract_mesh` does.
    """
    check_settings(resolution, chunk)
    sample = PointEvaluator(values, gradient, 0.0, chunk, on_progress)
    h = 1 / resolution
    crossed = crossed_edges(sample, resolution, memory_bytes)
    n_search = sample.n_values
    cells, quads = _quads(crossed, resolution)
    if not len(quads):
        vertices, faces, is_orientable = np.empty((0, 3)), np.empty((0, 3), np.int64), True
    else:

        def is_on(x: Reals) -> Bools:
            return np.asarray(sample(x, "rim") < max(_CLOSE, 2 * crossed.noise) * h)

        def is_held(x: Reals) -> Bools:
            return np.asarray(sample(x, "rim") < max(_CLOSE, _HELD * crossed.noise) * h)

        vertices = vertices_of(cells, _starts(crossed, cells, resolution), sample, h, crossed.noise)
        faces, _ = turned_alike(without_specks(_cut(vertices, quads, sample)))
        faces = without_flaps(vertices, without_short_rims(vertices, faces, _SHORT * h))
        faces = slits_closed(vertices, notches_closed(vertices, faces, is_on), is_on)
        vertices = moved_to_rim(vertices, faces, sample, h, crossed.noise)
        faces = without_strays(vertices, faces, is_held, _SMALL * h * h)
        vertices = moved_to_rim(vertices, faces, sample, h, crossed.noise)
        faces = without_flaps(vertices, without_short_rims(vertices, faces, _SHORT * h))
        faces = notches_closed(vertices, faces, is_on)
        faces = slits_closed(vertices, faces, is_on)
        vertices, faces = rim_split(vertices, faces, sample, h)
        faces = notches_closed(vertices, without_flaps(vertices, faces), is_on)
        vertices, faces = mended(vertices, faces, sample, h, crossed.noise, is_on)
        vertices = moved_to_corners(vertices, faces, sample, h)
        vertices, faces = holes_closed(vertices, faces, lambda x: sample(x, "holes") < _ON * h)
        faces, is_orientable = turned_alike(without_specks(faces))
        vertices, faces = _used(vertices, _outward(vertices, faces))
    found = measure(vertices, faces)
    return MeshResult(
        vertices=vertices,
        faces=faces,
        normals=unit(_normals(vertices, faces)),
        outcome="ok" if len(faces) else "empty",
        value_range=(sample.low, sample.high),
        level=0.0,
        resolution=resolution,
        n_evaluated=sample.n_values + sample.n_gradient,
        n_search=n_search,
        n_dense=(resolution + 1) ** 3,
        is_closed=is_closed(faces),
        is_clipped=False,
        n_components=found.n_components,
        n_cavities=0,
        n_specks=0,
        volume=found.volume if is_closed(faces) else 0.0,
        thickness=0.0,
        lipschitz=None,
        rounds=0,
        open=described(vertices, faces, is_orientable, crossed.noise),
    )


def _quads(crossed: Crossed, resolution: int) -> tuple[Ints, Ints]:
    """The cells [K, 3] around crossed edges, and four of them [Q, 4] for each edge inside the box, in turn around it,
    counter-clockwise as seen from the side where it starts."""
    after = (crossed.axis + 1) % 3, (crossed.axis + 2) % 3
    rows = np.arange(len(crossed.axis))
    around = np.repeat(crossed.start[:, None], 4, axis=1)
    for k, (down, left) in enumerate(((1, 1), (1, 0), (0, 0), (0, 1))):
        around[rows, k, after[0]] -= down
        around[rows, k, after[1]] -= left
    inside = ((around >= 0) & (around < resolution)).all(axis=(1, 2))
    around = around[inside]
    keys = (around[..., 0] * resolution + around[..., 1]) * resolution + around[..., 2]
    distinct, quads = np.unique(keys, return_inverse=True)
    rest, k = np.divmod(distinct, resolution)
    i, j = np.divmod(rest, resolution)
    return np.stack([i, j, k], axis=1), without_ears(quads.reshape(-1, 4).astype(np.int64), crossed.off[inside])


def _starts(crossed: Crossed, cells: Ints, resolution: int) -> Reals:
    """The mean place [K, 3] at which the surface crosses the edges of each cell."""
    keys = (cells[:, 0] * resolution + cells[:, 1]) * resolution + cells[:, 2]
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    rows = np.arange(len(crossed.axis))
    for down in (0, 1):
        for left in (0, 1):
            cell = crossed.start.copy()
            cell[rows, (crossed.axis + 1) % 3] -= down
            cell[rows, (crossed.axis + 2) % 3] -= left
            inside = np.flatnonzero((cell >= 0).all(axis=1))
            key = (cell[inside, 0] * resolution + cell[inside, 1]) * resolution + cell[inside, 2]
            at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            same = keys[at] == key
            np.add.at(total, at[same], crossed.point[inside[same]])
            np.add.at(count, at[same], 1)
    return np.asarray(total / count[:, None])


def _cut(vertices: Reals, quads: Ints, sample: PointEvaluator) -> Ints:
    """Two triangles [2 Q, 3] of each quad, cut along the diagonal whose middle is closer to the surface, or if there is
    no difference to speak of, along the shorter one."""
    corners = vertices[quads]
    middles = np.concatenate([(corners[:, 0] + corners[:, 2]) / 2, (corners[:, 1] + corners[:, 3]) / 2])
    off = np.maximum(sample(middles, "diagonals").astype(np.float64), 0).reshape(2, -1)
    length = np.stack([np.linalg.norm(corners[:, k] - corners[:, k + 2], axis=1) for k in range(2)])
    cost = off + 0.1 * length
    first = cost[0] <= cost[1]
    rolled = np.where(first[:, None], quads, np.roll(quads, -1, axis=1))
    faces = np.concatenate([rolled[:, [0, 1, 2]], rolled[:, [0, 2, 3]]])
    return faces


def _outward(vertices: Reals, faces: Ints) -> Ints:
    """The faces with closed parts turned outwards."""
    part = parts_of(faces)
    sides = Sides.of(faces)
    open_part = np.zeros(int(part.max()) + 1, dtype=bool)
    lonely = sides.order[np.repeat(sides.count != 2, sides.count)] // 3
    open_part[part[lonely]] = True
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    volume = np.bincount(part, np.einsum("nd,nd->n", a, np.cross(b, c)))
    is_turned = ((volume < 0) & ~open_part)[part]
    return np.where(is_turned[:, None], faces[:, ::-1], faces)


def _normals(vertices: Reals, faces: Ints) -> Reals:
    """Of the vertices [V, 3]; where those of faces cancel, that of one of them."""
    normals = face_normals(vertices, faces)
    corners = vertices[faces]
    own = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    lost = np.linalg.norm(unit(normals), axis=1) < 0.5
    some = np.zeros_like(normals)
    some[faces.ravel()] = np.repeat(own, 3, axis=0)
    return np.where(lost[:, None], some, normals)


def _used(vertices: Reals, faces: Ints) -> tuple[Reals, Ints]:
    kept, number = np.unique(faces, return_inverse=True)
    return vertices[kept], number.reshape(-1, 3).astype(np.int64)
