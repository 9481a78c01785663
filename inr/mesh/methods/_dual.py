"""Dual contouring over crossed cells: crossings, a vertex for every sheet, and two triangles for every crossed edge."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, OctreeGrid, PointEvaluator, Reals
from inr.mesh.march import Cells, Soup
from inr.mesh.methods._beside import planes_beside
from inr.mesh.methods._method import Triangulation
from inr.mesh.methods._sheets import Sheets, sheets_of
from inr.mesh.planes import meeting_points
from inr.mesh.project import project, unit
from inr.signals.solids.crossings import crossings

_ROOT_STEPS, _ROOT = 12, 1e-5
"""Steps to a crossing, and when to stop: |f| in lattice cells."""
_REPAIRS, _BESIDE_ROUNDS = 4, 2
_CUTS: tuple[Ints, Ints] = (np.array([[0, 1, 2], [0, 2, 3]]), np.array([[1, 2, 3], [1, 3, 0]]))
_EDGE_ON = 0.1
"""Cosine between a triangle and the surface, below which it is avoided."""


def contoured(
    cells: Cells, lattice: OctreeGrid, sample: PointEvaluator, project_steps: int, *, is_sharp: bool
) -> Triangulation:
    """A closed manifold of the level set: a vertex per sheet of a cell, a quad per crossed lattice edge.

    is_sharp: a vertex is where the planes through its crossings meet, within its cell; otherwise the mean of the
    crossings. Vertices whose planes are one plane are then moved onto the level set by Newton steps. The vertices of
    quads that are turned over, or cross others, return to the means of their crossings.
    """
    if not len(cells.index):
        return Triangulation(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), dtype=np.int64), False)
    sheets = sheets_of(cells, lattice)
    leaving = lattice.leaves(np.take_along_axis(sheets.start, sheets.axis[:, None], axis=1)[:, 0])
    if leaving.all():
        return Triangulation(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), dtype=np.int64), False)
    places, normals = _crossed_at(sheets, leaving, lattice, sample)
    sheet, edge = sheets.pairs
    corner = cells.index[sheets.cell]
    low, high = lattice.position(corner), lattice.position(corner + 1)
    points, slants = places[edge], normals[edge]
    best, middle, normal, rank = meeting_points(points, slants, sheet, low, high)
    if is_sharp and not sample.has_gradient:
        for _ in range(_BESIDE_ROUNDS):
            near = np.flatnonzero((rank > 1)[sheet] & ~leaving[edge])
            given = places[edge[near]], slants[near], sheet[near]
            points[near], slants[near] = planes_beside(*given, best, sample, lattice.spacing)
            best, _, normal, refined = meeting_points(points, slants, sheet, low, high)
        rank = np.where(rank > 1, refined, rank)
    vertices = best if is_sharp else middle.copy()
    is_fixed = np.zeros(len(vertices), dtype=bool)
    is_fixed[sheet[leaving[edge]]] = True
    if is_sharp:
        is_fixed |= rank > 1
    faces = _triangles(sheets.quads, vertices, normals, rank)[0]
    vertices, smooth = project(Soup(vertices, faces, is_fixed), sample, spacing=lattice.spacing, steps=project_steps)
    vertex_normals = np.where(is_fixed[:, None], normal, smooth)
    for _ in range(_REPAIRS):
        faces, is_bad = _triangles(sheets.quads, vertices, normals, rank)
        is_bad[np.concatenate(crossings(vertices, faces)) // 2] = True
        wrong = np.unique(sheets.quads[is_bad])
        wrong = wrong[(vertices[wrong] != middle[wrong]).any(axis=1)]
        if not len(wrong):
            break
        vertices[wrong] = middle[wrong]
    return Triangulation(vertices, unit(vertex_normals), faces, bool(leaving.any()))


def _crossed_at(sheets: Sheets, leaving: Bools, lattice: OctreeGrid, sample: PointEvaluator) -> tuple[Reals, Reals]:
    """Where the level set crosses the lattice edges [E, 3], and its outward unit normals there [E, 3].

    Roots by the Illinois method. An edge that leaves the box is crossed on its wall, whose normal points outwards.
    """
    start = lattice.position(sheets.start)
    direction = np.eye(3)[sheets.axis]
    outward = direction * np.where(sheets.values[:, :1] < 0, 1.0, -1.0)
    inner = np.flatnonzero(~leaving)
    points = start.copy()
    share = _roots(start[inner], direction[inner] * lattice.spacing, sheets.values[inner], lattice.spacing, sample)
    points[inner] += share[:, None] * direction[inner] * lattice.spacing
    normals = outward.copy()
    slope = sample.gradient(points[inner], lattice.spacing / 2)
    is_flat = (np.abs(slope) <= 1e-12).all(axis=1, keepdims=True)
    normals[inner] = unit(np.where(is_flat, outward[inner], slope))
    return points, normals


def _roots(start: Reals, way: Reals, values: Reals, spacing: float, sample: PointEvaluator) -> Reals:
    """Shares [E] of the ways [E, 3] from the starts [E, 3] where the field is zero; values [E, 2]: at the two ends."""
    t = np.stack([np.zeros(len(start)), np.ones(len(start))], axis=1)
    f = values.copy()
    share = f[:, 0] / (f[:, 0] - f[:, 1])
    last = np.full(len(start), -1)
    active = np.arange(len(start))
    for _ in range(_ROOT_STEPS):
        at = sample(start[active] + share[active, None] * way[active], "crossings").astype(np.float64)
        going = np.abs(at) > _ROOT * spacing
        active, at = active[going], at[going]
        if not len(active):
            break
        side = ((at < 0) != (f[active, 0] < 0)).astype(np.int64)  # the end that the new point replaces
        t[active, side], f[active, side] = share[active], at
        f[active, 1 - side] /= np.where(side == last[active], 2, 1)
        last[active] = side
        share[active] = (t[active, 0] * f[active, 1] - t[active, 1] * f[active, 0]) / (f[active, 1] - f[active, 0])
    return share


def _triangles(quads: Ints, vertices: Reals, normals: Reals, rank: Ints) -> tuple[Ints, Bools]:
    """Two triangles per quad [E, 4], and the quads of which one is turned over, by the normals [E, 3] at the crossings.

    Of the two ways to cut a quad, the one that keeps an edge or corner of the shape as an edge of the mesh is taken if
    it turns no triangle over; else the one whose triangles face the normal more.
    """
    worst = np.stack([_facing(quads[:, cut], vertices, normals).min(axis=1) for cut in _CUTS], axis=1)
    sharp = np.stack([(rank[quads[:, ends]] > 1).sum(axis=1) for ends in ([0, 2], [1, 3])], axis=1)
    length = np.stack(
        [np.linalg.norm(vertices[quads[:, a]] - vertices[quads[:, b]], axis=1) for a, b in ((0, 2), (1, 3))], axis=1
    )
    is_good = worst > _EDGE_ON
    second = np.where(
        is_good.all(axis=1),
        np.where(sharp[:, 0] != sharp[:, 1], sharp[:, 1] > sharp[:, 0], length[:, 1] < length[:, 0] * (1 - 1e-6)),
        worst[:, 1] > worst[:, 0],
    ).astype(np.int64)
    faces = np.where(second[:, None, None] == 0, quads[:, _CUTS[0]], quads[:, _CUTS[1]]).reshape(-1, 3)
    return faces, np.take_along_axis(worst, second[:, None], axis=1)[:, 0] < 0


def _facing(triangles: Ints, vertices: Reals, normals: Reals) -> Reals:
    """Cosines [E, 2] between the normals of triangles [E, 2, 3] and the given ones [E, 3]."""
    a, b, c = (vertices[triangles[..., k]] for k in range(3))
    return np.asarray(np.einsum("ekd,ed->ek", unit(np.cross(b - a, c - a).reshape(-1, 3)).reshape(-1, 2, 3), normals))
