"""How well a fit's surface, edges and cross-sections are those of a solid: what `inr eval` adds for shapes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from inr.fitting import Fit
from inr.mesh.extract import Mesh
from inr.mesh.fitted_surface import mesh_of_fit
from inr.signals import Evaluate
from inr.signals import metrics as measures
from inr.signals.shape import Shape
from inr.signals.solids.distances import MeshSolid, Solid
from inr.signals.solids.solid_signal import SolidSignal
from inr.signals.unsigned import Unsigned

Array = NDArray[Any]

N_POINTS = 2**15
"""Points on each surface, and on the edges a quarter as many."""
SHARP_DEG = 30.0
"""Angle between the normals of two faces above which their edge is sharp."""

_F_SCORE = 0.01  # threshold, as a part of the largest extent
_PLANES, _ACROSS = 5, 128  # cross-sections along each axis, and points along each side of one
_STEP = 1e-4  # of central differences for normals, in unit-box lengths
_SEED = 0x5EED


def surface_metrics(
    signal: SolidSignal, fit: Fit, evaluate: Evaluate, resolution: int | None = None
) -> dict[str, float]:
    """Metrics of the mesh of a fit against a solid, and of its values at edges and on cross-sections.

    evaluate: the fit as a function on the signal's unit box. resolution: of the mesh, as for `mesh_of_fit`.
    Lengths are in mesh units. Random points have a fixed seed. NaN where the fit has no surface.

    chamfer, normal_consistency, f_score, hausdorff: see `compare_surfaces`; f_score for a threshold of 1 % of the
    largest extent. slice_iou: see `slice_iou`. edge_rounding: see `edge_rounding`; only for meshes with sharp edges.
    """
    solid, side = signal.solid, float(signal.meta["side"])
    mesh = mesh_of_fit(fit, resolution)
    if mesh.outcome == "empty":
        found = dict.fromkeys(("chamfer", "normal_consistency", "f_score", "hausdorff"), math.nan)
    else:
        x = signal.frame.domain.to_unit(torch.from_numpy(mesh.vertices)).numpy()
        threshold = _F_SCORE * float((solid.high - solid.low).max())
        compared = compare_surfaces(dataclasses.replace(mesh, vertices=x), solid, threshold)
        found = {**compared, **{name: compared[name] * side for name in ("chamfer", "hausdorff")}}
    found["slice_iou"] = slice_iou(evaluate, solid)
    if isinstance(signal, Shape) and isinstance(solid, MeshSolid):
        rounding = edge_rounding(evaluate, solid.vertices, solid.faces)
        if rounding is not None:
            found["edge_rounding"] = rounding
    return found


def compare_surfaces(mesh: Mesh, solid: Solid, threshold: float) -> dict[str, float]:
    """Distances between a triangle mesh and the surface of a solid, both in the unit box.

    a: points on the mesh, b: points on the surface, each uniform by area; d(a): exact distances of the points a to the
    surface, d(b): exact distances of b to the triangles.
    chamfer: (mean d(a) + mean d(b)) / 2, not squared. normal_consistency: half of the two means of |n . m|, where n is
    the normal at a point and m that of the other surface at the nearest place, in [0, 1], whatever side they point to.
    f_score: 2 P R / (P + R) of the shares P of d(a) and R of d(b) that are at most `threshold`, in [0, 1].
    hausdorff: the largest of all d(a) and d(b), a lower bound of the true one.
    Sources: Peng et al. 2020 (arXiv 2003.04618); Tatarchenko et al. 2019 (arXiv 1905.03678).
    """
    generator = torch.Generator().manual_seed(_SEED)
    a, face = points_on(mesh, N_POINTS, generator)
    b = solid.surface(N_POINTS, generator)
    to_solid = np.abs(solid.distance(a))
    to_mesh, nearest = _nearest_faces(b, mesh)
    normals = _face_normals(mesh)
    there = np.abs(np.einsum("nd,nd->n", normals[face], _slopes(solid, a))).mean()
    back = np.abs(np.einsum("nd,nd->n", normals[nearest], _slopes(solid, b))).mean()
    return {
        "chamfer": 0.5 * float(to_solid.mean() + to_mesh.mean()),
        "normal_consistency": 0.5 * float(there + back),
        "f_score": measures.f_score(to_solid, to_mesh, threshold),
        "hausdorff": float(max(to_solid.max(), to_mesh.max())),
    }


def sheet_metrics(signal: Unsigned, fit: Fit, resolution: int | None = None) -> dict[str, float]:
    """Metrics of the mesh of a fit against an open surface, in mesh units. NaN where the fit has no surface.

    chamfer, hausdorff, f_score: as `compare_surfaces` has them, the last for a threshold of 1 % of the largest extent.
    boundary_hausdorff: see there; only if both surfaces have a boundary.
    """
    mesh = mesh_of_fit(fit, resolution)
    if mesh.outcome == "empty":
        return dict.fromkeys(("chamfer", "f_score", "hausdorff"), math.nan)
    generator = torch.Generator().manual_seed(_SEED)
    vertices, faces = signal.mesh
    to_true = measures.point_to_mesh(points_on(mesh, N_POINTS, generator)[0], vertices, faces)
    to_mesh = measures.point_to_mesh(
        points_on(Mesh(vertices, faces), N_POINTS, generator)[0], mesh.vertices, mesh.faces
    )
    threshold = _F_SCORE * float(np.ptp(vertices, axis=0).max())
    found = {
        "chamfer": 0.5 * float(to_true.mean() + to_mesh.mean()),
        "f_score": measures.f_score(to_true, to_mesh, threshold),
        "hausdorff": float(max(to_true.max(), to_mesh.max())),
    }
    rim = boundary_hausdorff(mesh, Mesh(vertices, faces))
    return found if rim is None else {**found, "boundary_hausdorff": rim}


def slice_iou(evaluate: Evaluate, solid: Solid) -> float:
    """Mean over 15 cross-sections of the intersection over union of the inside sets, in [0, 1].

    Five planes across each axis, in the middle of fifths of the bounding box, 128 x 128 points on each, in the
    bounding box x 1.05. A plane on which both are empty counts as 1.
    """
    centre, half = (solid.low + solid.high) / 2, (solid.high - solid.low) / 2
    at = (np.arange(_ACROSS) + 0.5) / _ACROSS * 2.1 - 1.05
    found = []
    for axis in range(3):
        for plane in (np.arange(_PLANES) + 0.5) / _PLANES * 2 - 1:
            p = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
            x = np.clip(centre + half * np.insert(p, axis, plane, axis=1), 0, 1).astype(np.float32)
            with torch.no_grad():
                f = evaluate(torch.from_numpy(x))[:, 0].cpu().numpy()
            found.append(measures.iou(f < 0, solid.distance(x.astype(np.float64)) < 0))
    return float(np.mean(found))


def edge_rounding(evaluate: Evaluate, vertices: Array, faces: Array) -> float | None:
    """How far a field misses sharp edges, in the units of its values: 0 for exact edges, positive for rounded ones.

    The mean of s f over points of the edges, uniform by length. f: the field there. s: 1 for a convex edge, which
    rounding cuts off, and -1 for a concave one, which it fills. Sharp edges have two faces whose normals enclose
    more than 30 degrees. None if there are none. vertices [V, 3] in the unit box, faces [F, 3], closed and oriented.
    """
    ends, sign = _sharp_edges(vertices, faces)
    if not len(ends):
        return None
    start, way = vertices[ends[:, 0]], vertices[ends[:, 1]] - vertices[ends[:, 0]]
    rng = np.random.default_rng(_SEED)
    length = np.linalg.norm(way, axis=1)
    edge = rng.choice(len(ends), N_POINTS // 4, p=length / length.sum())
    x = start[edge] + rng.random((len(edge), 1)) * way[edge]
    with torch.no_grad():
        f = evaluate(torch.from_numpy(x.astype(np.float32)))[:, 0].cpu().numpy()
    return float(np.mean(sign[edge] * f))


def boundary_hausdorff(mesh: Mesh, other: Mesh) -> float | None:
    """Hausdorff distance between the boundaries of two open meshes, in their units; None if either is closed.

    The boundary: edges with one face. The largest distance from points of one boundary, uniform by length and at its
    vertices, to the segments of the other, both ways.
    """
    one, two = (m.vertices[_boundary(m.faces)] for m in (mesh, other))
    if not len(one) or not len(two):
        return None
    return max(_to_segments(one, two), _to_segments(two, one))


def points_on(mesh: Mesh, n: int, generator: Generator) -> tuple[Array, Array]:
    """Points [n, 3] on a mesh, uniform by area, and the faces that they lie on."""
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    draws = torch.rand(n, 3, generator=generator, dtype=torch.float64).numpy()
    so_far = np.cumsum(area)
    face = np.minimum(np.searchsorted(so_far, draws[:, 0] * so_far[-1], side="right"), len(mesh.faces) - 1)
    root = np.sqrt(draws[:, 1:2])
    weights = np.concatenate([1 - root, root * (1 - draws[:, 2:]), root * draws[:, 2:]], axis=1)
    return np.einsum("nk,nkd->nd", weights, corners[face]), face


def _face_normals(mesh: Mesh) -> Array:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300))


def _nearest_faces(x: Array, mesh: Mesh) -> tuple[Array, Array]:
    import igl

    vertices, faces = np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces)
    squared, face, _ = igl.point_mesh_squared_distance(np.ascontiguousarray(x), vertices, faces)
    return np.sqrt(np.maximum(squared, 0)), np.asarray(face)


def _slopes(solid: Solid, x: Array) -> Array:
    """Unit normals of the surface at the places nearest to points x [N, 3]: the slope of the distance."""
    steps = _STEP * np.concatenate([np.eye(3), -np.eye(3)])
    ends = solid.distance((x + steps[:, None]).reshape(-1, 3)).reshape(6, -1)
    slope = (ends[:3] - ends[3:]).T
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-300))


def _sharp_edges(vertices: Array, faces: Array) -> tuple[Array, Array]:
    """Ends [E, 2] of the sharp edges, and 1 for each convex one, -1 for each concave one."""
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    keys = sides[:, 0] * len(vertices) + sides[:, 1]
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1) > 0)
    count = np.diff(np.append(first, len(keys)))
    pair = first[count == 2]
    one, two = order[pair], order[pair + 1]
    normals = _face_normals(Mesh(vertices, faces))
    cosine = np.einsum("nd,nd->n", normals[one // 3], normals[two // 3])
    is_sharp = cosine < math.cos(math.radians(SHARP_DEG))
    one, two = one[is_sharp], two[is_sharp]
    opposite = vertices[faces[two // 3, (two % 3 + 2) % 3]] - vertices[sides[one, 0]]
    above = np.einsum("nd,nd->n", normals[one // 3], opposite)
    return sides[one], np.where(above > 0, -1.0, 1.0)


def _boundary(faces: Array) -> Array:
    """Ends [E, 2] of the edges with one face."""
    edges, count = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_counts=True)
    return np.asarray(edges[count == 1])


def _to_segments(segments: Array, others: Array) -> float:
    """Largest distance from points of segments [E, 2, 3] to the nearest of others [K, 2, 3]."""
    t = np.linspace(0, 1, 17)[:, None, None]
    points = (segments[:, 0] + t * (segments[:, 1] - segments[:, 0])).reshape(-1, 3)
    start, way = others[:, 0], others[:, 1] - others[:, 0]
    squared = np.maximum((way**2).sum(axis=1), 1e-300)
    largest = 0.0
    for block in np.array_split(points, max(1, len(points) * len(others) // 2**22)):
        along = np.clip(np.einsum("nkd,kd->nk", block[:, None] - start, way) / squared, 0, 1)
        away = np.linalg.norm(block[:, None] - start - along[..., None] * way, axis=-1)
        largest = max(largest, float(away.min(axis=1).max()))
    return largest
