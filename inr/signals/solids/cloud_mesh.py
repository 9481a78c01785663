"""A closed mesh through oriented points: the zero set of an indicator, pulled to the points."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from inr.core.errors import EmptyError
from inr.signals.solids.boundary import Boundary
from inr.signals.solids.faces import Faces, Floats, Ints, volume
from inr.signals.solids.faces import area as face_areas
from inr.signals.solids.indicators import INDICATORS
from inr.signals.solids.scans import NEIGHBOURS, areas

FINEST = 256
"""Cells of the finest lattice along a side."""

_SIZES = 64, 96, 128, 192, FINEST
_CELL = 0.8
"""Largest cell of the lattice, in spacings of the points."""

_SHARE, _NEAR = 0.01, 2.0
"""A component stays if it is the nearest to at least this share of the points, within this many cells."""

_BARE = 3.0
"""Distance from the nearest point, in its spacings, beyond which the surface is without points."""

FEWEST = NEIGHBOURS
"""Points of a component that stays if all are wished."""

_STEPS, _LEAST = 3, 3
_EVEN, _WIDER = 0.85, 3.0
"""Width h of the weights of points without noise, in spacings, and how much wider it is for noise in spacings."""

_SMOOTHED, _MEASURED, _WIDE = 2.5, 3.5, 5.0
"""Width of the weights of smoothed points, in spacings; and of points as they were measured, at least, in spacings, and
in their noise."""

_MOST_NEAR = 8 * NEIGHBOURS

_CHUNK = 2**15
_NONE = "the points surround no volume: their indicator has no surface near them", "give normals, or a mesh"


@dataclasses.dataclass(frozen=True)
class CloudBoundary(Boundary):
    """The boundary of the solid of a cloud. n_left_out: points that are farther than two cells from it. bare: share of
    its area that is farther than three spacings from any point: there it closes openings."""

    n_left_out: int = 0
    bare: float = 0.0


def mesh_of_cloud(
    points: Floats,
    normals: Floats,
    indicator: str = "poisson",
    *,
    noise: float = 0.0,
    measured: Floats | None = None,
    has_specks: bool = False,
) -> CloudBoundary:
    """The boundary of the solid that points [N, 3] in the unit box surround.

    Components that are nearest to fewer than 1 % of the points are left out; with `has_specks`, to fewer than `FEWEST`.

    An indicator, of `INDICATORS`, is cut at its level on the points, on a lattice finer than the points are apart, at
    most 256 cells a side. Its vertices are then moved onto the implicit moving least-squares surface of the points
    (Kolluri 2008), by at most a cell a step, except in holes: to s(x) = 0, with
    s(x) = sum w_i m_i . (x - p_i) / sum w_i, w_i = exp(-|x - p_i|^2 / h^2), h = 0.85 spacings + 3 `noise`.
    Kolluri's m_i is the normal n_i, which puts a ball of radius R h^2 / 2R too far out; here it is the mean of n_i and
    the normal at x, for which every point of a ball says 0, and w_i has the cosine between them as a factor, 0 if it
    is negative.

    measured: [N, 3], where the points were before they were smoothed, which leaves them too far in on bulges. Then h is
    2.5 spacings, and one more step takes the measured points with the smoothed normals, h = 5 `noise`, or 3.5 spacings
    if that is more.

    Raises EmptyError if nothing is left.
    """
    from scipy.spatial import cKDTree

    tree: Any = cKDTree(points)
    distance, _ = tree.query(points, k=NEIGHBOURS + 1)
    area = areas(distance)
    spacing = np.sqrt(area)
    wished = 1 / (_CELL * float(np.median(spacing)))
    size = next((n for n in _SIZES if n >= wished), _SIZES[-1])
    side = INDICATORS[indicator](points, normals, area, size)
    vertices, faces = side.surface()
    vertices, faces, n_left_out = _main(
        vertices, faces, points, _NEAR * side.cell, FEWEST if has_specks else _SHARE * len(points)
    )
    share = noise / float(np.median(spacing))
    width = _EVEN + _WIDER * share if measured is None else _SMOOTHED
    for _ in range(_STEPS):
        vertices = _pulled(vertices, points, normals, tree, spacing, side.cell, width)
    if measured is not None:
        tree, width = cKDTree(measured), max(_MEASURED, _WIDE * share)
        vertices = _pulled(vertices, measured, normals, tree, spacing, side.cell, width)
    if volume(vertices, faces) < 0:
        faces = faces[:, ::-1].copy()
    areas_of_faces = face_areas(vertices, faces)
    away, nearest = cKDTree(points).query(vertices[faces].mean(axis=1))
    bare = float(areas_of_faces[away > _BARE * spacing[nearest]].sum() / areas_of_faces.sum())
    return CloudBoundary(
        vertices, faces, vertices, faces, n_flipped=0, buried=0.0, is_cut=False, n_left_out=n_left_out, bare=bare
    )


def _main(vertices: Floats, faces: Faces, points: Floats, reach: float, least: float) -> tuple[Floats, Faces, int]:
    """The components that are nearest to at least `least` points, and the number of points that are near none."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(faces):
        raise EmptyError(*_NONE)
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(ends), np.int8), ends.T), shape=(len(vertices),) * 2)
    n, of = connected_components(graph, directed=False)
    distance, nearest = cKDTree(vertices).query(points, distance_upper_bound=reach)
    votes = np.bincount(of[nearest[np.isfinite(distance)]], minlength=n)
    is_kept = votes >= least
    if not is_kept.any():
        raise EmptyError(*_NONE)
    kept = is_kept[of]
    number = np.cumsum(kept) - 1
    is_near = np.isfinite(cKDTree(vertices[kept]).query(points, distance_upper_bound=reach)[0])
    return vertices[kept], number[faces[kept[faces[:, 0]]]], int(np.count_nonzero(~is_near))


def _pulled(
    x: Floats, points: Floats, normals: Floats, tree: Any, spacing: Floats, most: float, width: float
) -> Floats:
    """Points [N, 3] after one step onto the moving least-squares surface."""
    found = np.empty_like(x)
    k = int(np.clip(4 * width**2, NEIGHBOURS, _MOST_NEAR))
    for start in range(0, len(x), _CHUNK):
        here = slice(start, start + _CHUNK)
        distance, near = tree.query(x[here], k=min(k, len(points)))
        found[here] = x[here] + _step(x[here], points, normals, distance, near, width * spacing[near[:, :1]], most)
    return found


def _step(
    x: Floats, points: Floats, normals: Floats, distance: Floats, near: Ints, width: Floats, most: float
) -> Floats:
    weight = np.exp((distance[:, :1] ** 2 - distance**2) / width**2)
    way = _unit(np.einsum("nk,nkd->nd", weight, normals[near]))
    weight *= np.einsum("nkd,nd->nk", normals[near], way).clip(min=0)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    mean = (normals[near] + way[:, None]) / 2
    height = np.einsum("nk,nkd,nkd->n", weight, x[:, None] - points[near], mean)
    is_held = np.sum(distance < 2 * width, axis=1) >= _LEAST
    step: Floats = -np.where(is_held, np.clip(height, -most, most), 0)[:, None] * way
    return step


def _unit(vectors: Floats) -> Floats:
    """The vectors [N, 3] at length 1; those without a length stay."""
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found
