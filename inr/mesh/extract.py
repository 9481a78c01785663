"""`extract_mesh`: the level set of a field of signed values as a closed triangle mesh."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.core.domain import Frame
from inr.core.errors import UsageError
from inr.mesh._dense import dense_cells
from inr.mesh._octree_grid import Ints, OctreeGrid, OnProgress, PointEvaluator, Reals
from inr.mesh._patches import OpenSurface
from inr.mesh._sparse import sparse_cells
from inr.mesh.march import is_closed
from inr.mesh.measure import measure, without_specks
from inr.mesh.methods import METHODS
from inr.mesh.project import unit

MAX_RESOLUTION = 4096

Colors = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles. vertices [V, 3] float64; faces [F, 3] int64, counter-clockwise as seen from outside; normals [V, 3]
    float64 of unit length, outward, or None if the mesh has none; colors [V, 3 or 4] uint8, or None. uv [V, 2] float64,
    texture [H, W, 3 or 4] uint8: texture coordinates, v upwards, with their image; both or neither."""

    vertices: Reals
    faces: Ints
    normals: Reals | None = None
    colors: Colors | None = None
    uv: Reals | None = None
    texture: Colors | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class MeshResult(Mesh):
    """What `extract_mesh` found.

    outcome: "ok", or "empty" when the field never crosses the level; there are then no vertices and no faces.
    value_range: smallest and largest value seen. level: that of the surface. resolution: lattice cells along an axis.
    n_evaluated: evaluations of the field or its gradient in total (search, slope bound, checks, projection, normals);
    n_search: evaluations before triangulation. n_dense: (resolution + 1)^3;
    fraction: n_evaluated / n_dense.
    is_closed: every edge has two faces. is_clipped: the shape meets the walls of the unit box and was closed there.
    n_components: connected surfaces; n_cavities: those of them that point inward; n_specks: those of 3 cells or fewer
    along every axis, beside larger ones; n_left_out: specks that are not in the mesh.
    volume: enclosed. thickness: 2 volume / area, that of a plate. lipschitz: the slope bound that the search used, None
    for a dense one. rounds: how often the search had to be extended after its first pass. notes: messages for the user.
    open: of a surface without a sign, what it is.
    """

    normals: Reals
    outcome: Literal["ok", "empty"]
    value_range: tuple[float, float]
    level: float
    resolution: int
    n_evaluated: int
    n_search: int
    n_dense: int
    is_closed: bool
    is_clipped: bool
    n_components: int
    n_cavities: int
    n_specks: int
    volume: float
    thickness: float
    lipschitz: float | None
    rounds: int
    n_left_out: int = 0
    notes: tuple[str, ...] = ()
    open: OpenSurface | None = None

    @property
    def fraction(self) -> float:
        return self.n_evaluated / self.n_dense

    def in_units(self, frame: Frame) -> Self:
        """The same mesh in a signal's own units: vertices, normals, level and value range.

        The map of the box is affine, x -> low + extent x; normals transform by its inverse transpose.
        """
        vertices = frame.domain.from_unit(torch.from_numpy(self.vertices)).numpy()
        level, low, high = frame.from_field(torch.tensor([[v] for v in (self.level, *self.value_range)]).double())
        return dataclasses.replace(
            self,
            vertices=vertices,
            normals=unit(self.normals / np.asarray(frame.domain.extent)),
            volume=self.volume * math.prod(frame.domain.extent),
            thickness=self.thickness * max(frame.domain.extent),
            open=None
            if self.open is None
            else dataclasses.replace(self.open, area=self.open.area * max(frame.domain.extent) ** 2),
            level=level.item(),
            value_range=(low.item(), high.item()),
        )


def extract_mesh(
    values: Callable[[Tensor], Tensor],
    *,
    resolution: int = 512,
    level: float = 0.0,
    gradient: Callable[[Tensor], Tensor] | None = None,
    method: str = "cubes",
    dense: bool = False,
    keep_specks: bool = True,
    project_steps: int = 2,
    margin: float = 1.5,
    lipschitz: float | None = None,
    chunk: int = 1 << 16,
    memory_bytes: int = 8 << 30,
    on_progress: OnProgress | None = None,
) -> MeshResult:
    """Triangulate {x in [0, 1]^3 : f(x) = level} on a lattice of `resolution` cells along each axis.

    values: unit-box points [N, 3] float32 -> signed values [N] or [N, 1], below the level inside the shape.
    gradient: points [N, 3] -> df/dx [N, 3], for projection and normals; by default central differences over half a
    lattice spacing each way, which also smooth over fields with kinks (hash grids).
    method: how cells become triangles, see `METHODS`: "cubes" (marching cubes), "dual" (keeps sharp edges), "nets".
    dense: evaluate every lattice point instead of searching. keep_specks: False leaves out surfaces of 3 cells or fewer
    along every axis, unless all of them together have 1 % of the area. project_steps: Newton steps of each vertex.
    margin: factor >= 1 on the slope measured between samples, if no bound is given. lipschitz: a bound on |f(x) - f(y)|
    / |x - y| in unit-box lengths. chunk: points per call of `values`. memory_bytes: anything that needs more is
    refused: a sparse search as soon as that is known, before the finest lattice; a dense one before the first point, or
    on the way if the surface turns out to be larger than a few walls of the box.
    on_progress: called with the stage's name and the number of points evaluated so far.

    Search: a coarse lattice (at most 64 cells along an axis); then cells whose centre is closer to the level than
    slope bound times half-diagonal are cut in eight, down to blocks of 2^3 lattice cells, whose points are evaluated
    once each; then triangles by the method, two at every edge whatever the signs.

    What is guaranteed: the mesh is the level set of the signs on the lattice. With a true `lipschitz` the sparse mesh
    is the dense one, triangle for triangle. With an estimated bound this is checked, not certain: the surface is
    followed through every face that it crosses, so it cannot end inside the box, and every sign change of the coarse
    lattice must be met; a whole component that fits between coarse lattice points, in a field that is much steeper
    there than anywhere it was sampled, can be missed. In either case, parts thinner than a lattice cell can be missed,
    as by dense marching cubes.

    A shape that meets the walls of the box is closed on them, and `is_clipped` says so. If the field never crosses
    the level, the outcome is "empty" (no exception).

    Raises UsageError for a resolution outside 4..4096 or one that needs more than `memory_bytes`, other settings out
    of range, values of a wrong shape, and values that are not finite.

    Sources: Lewiner et al., Efficient implementation of Marching Cubes' cases with topological guarantees (2003);
    Hart, Sphere tracing (1996), for the Lipschitz test.
    """
    _check(resolution, level, project_steps, margin, lipschitz, chunk)
    triangulate = METHODS[method]
    lattice = OctreeGrid.of(resolution)
    sample = PointEvaluator(values, gradient, level, chunk, on_progress)
    if dense:
        cells, bound, rounds = dense_cells(lattice, sample, chunk, memory_bytes), None, 0
    else:
        found = sparse_cells(lattice, sample, lipschitz=lipschitz, margin=margin, memory_bytes=memory_bytes)
        cells, bound, rounds = found.cells, found.lipschitz, found.rounds
    n_search = sample.n_values
    made = triangulate(cells, lattice, sample, project_steps)
    vertices, faces, normals, n_left_out = made.vertices, made.faces, made.normals, 0
    if not keep_specks and len(faces):
        kept, kept_faces, n_left_out = without_specks(vertices, faces, lattice.spacing)
        vertices, faces, normals = vertices[kept], (np.cumsum(kept) - 1)[faces[kept_faces]], normals[kept]
    measured = measure(vertices, faces, lattice.spacing)
    return MeshResult(
        vertices=vertices,
        faces=faces,
        normals=normals,
        outcome="ok" if len(faces) else "empty",
        value_range=(sample.low, sample.high),
        level=level,
        resolution=resolution,
        n_evaluated=sample.n_values + sample.n_gradient,
        n_search=n_search,
        n_dense=(resolution + 1) ** 3,
        is_closed=is_closed(faces),
        is_clipped=made.is_clipped,
        n_components=measured.n_components,
        n_cavities=measured.n_cavities,
        n_specks=measured.n_specks,
        volume=measured.volume,
        thickness=measured.thickness,
        lipschitz=bound,
        rounds=rounds,
        n_left_out=n_left_out,
    )


def check_settings(resolution: int, chunk: int) -> None:
    """Raise UsageError for settings of an extraction that are out of range."""
    if not 4 <= resolution <= MAX_RESOLUTION:
        raise UsageError(
            f"mesh resolution {resolution} is out of range, expected 4 to {MAX_RESOLUTION} cells along an axis",
            "512 is a good first choice; the surface takes four times the memory with each doubling",
        )
    if chunk < 1:
        raise UsageError(f"`chunk` is {chunk}, expected at least 1 point")


def _check(
    resolution: int, level: float, project_steps: int, margin: float, lipschitz: float | None, chunk: int
) -> None:
    check_settings(resolution, chunk)
    if not np.isfinite(level):
        raise UsageError(f"`level` is {level}, expected a finite number")
    if project_steps < 0:
        raise UsageError(f"`project_steps` is {project_steps}, expected 0 or more")
    if not (np.isfinite(margin) and margin >= 1):
        raise UsageError(f"`margin` is {margin}, expected a number of at least 1", "the default is 1.5")
    if lipschitz is not None and not (np.isfinite(lipschitz) and lipschitz > 0):
        raise UsageError(f"`lipschitz` is {lipschitz}, expected a positive number", "or leave it out")
