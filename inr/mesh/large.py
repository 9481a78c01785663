"""`extract_large`: the level set on a very fine lattice, in memory for its triangles and one layer of the lattice."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Frame
from inr.core.errors import UsageError
from inr.kernels.threads import in_turn
from inr.mesh._octree_grid import Ints, OctreeGrid, OnProgress, PointEvaluator, check_memory
from inr.mesh._pages import Layer, join, n_unpaired, volumes
from inr.mesh._sparse import CoarseLattice, refine

LEAST = 1024
"""Smallest resolution: coarse cells have to hold whole pages of points."""
FORMATS = (".ply", ".stl")
"""Suffixes that `save_large` knows."""
_BYTES_PER_FACE = 45  # of all arrays for the finished mesh at the peak
_TRIES = 3
_PARTS = 8  # of the vertices, for the check of edges
_ROWS = 1 << 20  # vertices or faces that are written at a time
_COARSE = 32  # coarse cells that are refined at a time, so that their arrays stay small
_BLOCKS = 1 << 15  # blocks whose values are found at a time


@dataclasses.dataclass(frozen=True, eq=False)
class LargeMesh:
    """vertices [V, 3] float32 in the unit box, faces [F, 3] int32; the other names as in `MeshResult`. Specks are kept.

    frame: of the fit, from the unit box to its units; `volume` is in them.
    """

    vertices: Any
    faces: Any
    frame: Frame
    outcome: Literal["ok", "empty"]
    value_range: tuple[float, float]
    resolution: int
    n_evaluated: int
    is_closed: bool
    is_clipped: bool
    n_components: int
    n_cavities: int
    volume: float
    rounds: int
    n_specks: int = 0
    n_left_out: int = 0
    open: None = None
    notes: tuple[str, ...] = ()

    @property
    def fraction(self) -> float:
        return self.n_evaluated / (self.resolution + 1) ** 3


def extract_large(
    values: Callable[[Tensor], Tensor],
    frame: Frame,
    *,
    resolution: int,
    level: float = 0.0,
    lipschitz: float | None = None,
    margin: float = 1.5,
    chunk: int = 1 << 16,
    memory_bytes: int = 8 << 30,
    on_progress: OnProgress | None = None,
) -> LargeMesh:
    """Triangulate {x in [0, 1]^3 : f(x) = level} on a lattice of 1024 to 4096 cells along each axis.

    Arguments as of `extract_mesh`. The same search, layer after layer of coarse cells along the first axis, one layer
    ahead in a second thread; only the triangles, in single precision, and one layer of lattice points are kept.
    Vertices are where the interpolant of the values at the ends of an edge is zero: the lattice is so fine that Newton
    steps would move them by a small part of a cell only. At the end every edge is checked to have two faces. If one has
    not, the search has missed surface, and is repeated with twice the margin, three times at most.

    Raises UsageError for a resolution out of range, or if the mesh needs more than `memory_bytes`.
    """
    if not LEAST <= resolution <= 4096:
        raise UsageError(f"resolution {resolution} is out of range for a large mesh, expected {LEAST} to 4096")
    lattice = OctreeGrid.of(resolution)
    sample = PointEvaluator(values, None, level, chunk, on_progress)
    n_wrong = 0
    for attempt in range(_TRIES):
        vertices, faces = _all_triangles(lattice, sample, lipschitz, margin * 2**attempt, memory_bytes)
        n_wrong = _n_unpaired(faces, len(vertices))
        if not n_wrong:
            break
    parent = np.arange(len(vertices), dtype=np.int32)
    join(faces, parent)
    each = np.zeros(len(vertices))
    volumes(vertices, faces, parent, each)
    roots = np.unique(parent[faces[:, 0]]) if len(faces) else np.empty(0, np.int64)
    is_clipped = bool(len(vertices)) and bool(((vertices == 0) | (vertices == 1)).any())
    return LargeMesh(
        vertices=vertices,
        faces=faces,
        frame=frame,
        outcome="ok" if len(faces) else "empty",
        value_range=(sample.low, sample.high),
        resolution=resolution,
        n_evaluated=sample.n_values,
        is_closed=n_wrong == 0,
        is_clipped=is_clipped,
        n_components=len(roots),
        n_cavities=int((each[roots] < 0).sum()),
        volume=float(each.sum()) * math.prod(frame.domain.extent),
        rounds=attempt,
        notes=() if n_wrong == 0 else ("the mesh is not closed",),
    )


def _n_unpaired(faces: Any, n_vertices: int) -> int:
    """Edges that two faces do not pass once in each direction."""
    bounds = [n_vertices * k // _PARTS for k in range(_PARTS + 1)]
    wrong = [0] * _PARTS

    def count(part: int) -> None:
        wrong[part] = n_unpaired(faces, bounds[part], bounds[part + 1])

    in_turn(_PARTS, count)
    return sum(wrong)


def _all_triangles(
    lattice: OctreeGrid, sample: PointEvaluator, lipschitz: float | None, margin: float, memory_bytes: int
) -> tuple[Any, Any]:
    coarse, bound = CoarseLattice(lattice, sample).keep(lipschitz, margin)
    searching = sample.another()

    def blocks_of(x: int) -> Ints:
        cells = coarse[coarse[:, 0] == x]
        return np.concatenate(
            [_blocks(part, lattice, searching, lipschitz, margin, bound) for part in _parts(cells, _COARSE)]
        )

    layers: list[tuple[Any, Any]] = []
    last: Layer | None = None
    n_vertices = n_faces = 0
    with ThreadPoolExecutor(1) as beside:  # the search is one layer ahead
        ahead = beside.submit(blocks_of, 0)
        for x in range(lattice.n_coarse):
            blocks = ahead.result()
            if x + 1 < lattice.n_coarse:
                ahead = beside.submit(blocks_of, x + 1)
            layer = Layer(lattice, x * lattice.stride)
            if last is not None:
                layer.follow(last)
            last = layer
            if not len(blocks):
                continue
            layer.claim(blocks)
            for part in _parts(blocks, _BLOCKS):
                points = layer.wanted(part)
                layer.fill(points, _values(points, lattice, sample))
            layers.append(layer.triangles(blocks, n_vertices))
            n_vertices += len(layers[-1][0])
            n_faces += len(layers[-1][1])
            check_memory(lattice, n_faces * _BYTES_PER_FACE, memory_bytes)
    sample.include(searching)
    vertices, faces = np.empty((n_vertices, 3), np.float32), np.empty((n_faces, 3), np.int32)
    v, f = n_vertices, n_faces
    while layers:  # from the end, so that each layer is freed as soon as it is copied
        some, triangles = layers.pop()
        vertices[v - len(some) : v], faces[f - len(triangles) : f] = some, triangles
        v, f = v - len(some), f - len(triangles)
    return vertices, faces


def _blocks(
    cells: Ints, lattice: OctreeGrid, sample: PointEvaluator, lipschitz: float | None, margin: float, bound: float
) -> Ints:
    """The blocks of 2^3 lattice cells that may hold surface, of coarse cells [K, 3]."""
    side = lattice.stride
    while side > 2 and len(cells):
        side //= 2
        cells, _ = refine(cells, side, lattice, sample, lipschitz, margin, bound)
    return np.ascontiguousarray(cells)


def _values(points: Ints, lattice: OctreeGrid, sample: PointEvaluator) -> Any:
    """f - level at lattice points [N, 3]; + h beyond the box."""
    is_real = ~lattice.any_beyond(points)
    if is_real.all():
        return sample(lattice.position(points), "lattice points")
    found = np.full(len(points), lattice.spacing, np.float32)
    found[is_real] = sample(lattice.position(points[is_real]), "lattice points")
    return found


def save_large(mesh: LargeMesh, file: BinaryIO, suffix: str) -> list[str]:
    """Write a mesh in the units of its fit as binary PLY or STL, a part at a time; returns notes.

    PLY has positions only, as doubles where single precision would lose digits. Raises UsageError for another suffix.
    """
    if suffix not in FORMATS:
        raise UsageError(f"a mesh of resolution {mesh.resolution} can be written as .ply or .stl, not {suffix}")
    if suffix == ".stl":
        file.write(bytes(80) + struct.pack("<I", len(mesh.faces)))
        for faces in _parts(mesh.faces):
            corners = _in_units(mesh, mesh.vertices[faces].reshape(-1, 3)).reshape(-1, 3, 3)
            record = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            record["normal"] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
            record["corners"] = corners
            file.write(record.tobytes())
        return ["STL stores no shared vertices, vertex normals or units; use PLY to keep them"]
    low, extent = np.asarray(mesh.frame.domain.low), np.asarray(mesh.frame.domain.extent)
    is_far = max(np.abs(low).max(), np.abs(low + extent).max()) * 2.0**-24 > 0.01 * extent.min() / mesh.resolution
    kind, code = ("double", "<f8") if is_far else ("float", "<f4")
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(mesh.vertices)}\n"
        + "".join(f"property {kind} {axis}\n" for axis in "xyz")
        + f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    file.write(header.encode())
    for part in _parts(mesh.vertices):
        file.write(_in_units(mesh, part).astype(code).tobytes())
    for faces in _parts(mesh.faces):
        rows = np.empty(len(faces), [("n", "u1"), ("index", "<i4", 3)])
        rows["n"], rows["index"] = 3, faces
        file.write(rows.tobytes())
    return ["a mesh of this resolution is written without normals"]


def _parts(rows: Any, size: int = _ROWS) -> Any:
    """At least one part, which may be empty."""
    return (rows[start : start + size] for start in range(0, max(1, len(rows)), size))


def _in_units(mesh: LargeMesh, places: Any) -> Any:
    """Places [N, 3] of the unit box in the units of the fit, float64."""
    return mesh.frame.domain.from_unit(torch.from_numpy(places).double()).numpy()
