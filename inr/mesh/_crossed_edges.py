"""Which lattice edges an unsigned surface crosses: a search by distances, then the directions in which they grow."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from inr.mesh._octree_grid import CORNERS, Bools, Ints, PointEvaluator, Reals, check_cells
from inr.mesh._tangent_planes import step_at

_COARSE = 32  # cells along an axis at the start
_SLOPE, _MARGIN = 1.1, 0.25  # of a fitted distance, and its error in cells
_WEAK = 0.2  # distance in cells below which the direction is taken from around the point
_CLEAR = 0.5  # cosine from which two directions are the same side, or opposite sides
_ON, _BENT = 0.25, 0.02  # distance of a crossing from the surface, in cells; and of one by a sharp edge
_LOOKS = 0.25, 0.05, 0.01  # how far around a crossing by a sharp edge its place is looked for, in turn, in cells
_LEAST_STEP = 0.25  # of differences, in cells
_NOISY = 0.02  # cells of noise from which slopes near the surface are not believed
_BYTES_PER_LEAF = 1500

ROUGH = 0.3
"""Error of a field on its surface, in cells, that makes holes all over: the most that is measured."""


@dataclasses.dataclass(frozen=True)
class Crossed:
    """Lattice edges that the surface crosses. start [E, 3]: lattice point they start from; axis [E]; point [E, 3]: of
    the surface, in the unit box; side [E, 3]: unit vector across the surface, to the side of the start."""

    start: Ints
    axis: Ints
    point: Reals
    off: Reals
    noise: float


def crossed_edges(sample: PointEvaluator, resolution: int, memory_bytes: int) -> Crossed:
    """The edges of a lattice of `resolution` cells along each axis of the unit box that a surface crosses.

    sample: distance to the surface, >= 0. Cells are kept in a search from coarse to fine while the surface may pass
    them. An edge crosses if the distance grows in opposite directions at its ends (the cosine between them is below
    -1/2) and is small where it would reach 0 between them; if the directions are across each other, as at a sharp
    edge, if it reaches 0 near where the tangent plane of an end crosses the edge, and not twice.
    """
    h = 1 / resolution
    leaves = _leaves(sample, resolution, memory_bytes)
    n = resolution + 1
    corners = leaves[:, None] + CORNERS
    keys, of_leaf = np.unique(_key(corners, n), return_inverse=True)
    of_leaf = of_leaf.reshape(len(leaves), 8)
    points = _index(keys, n)
    at: Reals = np.asarray(points * h, np.float64)
    u = np.maximum(sample(at, "lattice points").astype(np.float64), 0)
    start, end, axis = _edges(of_leaf)
    close = u[start] + u[end] <= (1 + _MARGIN) * h
    start, end, axis = start[close], end[close], axis[close]
    wanted = np.unique(np.concatenate([start, end]))
    slope = np.zeros((len(points), 3))
    slope[wanted] = sample.gradient(at[wanted], step_at(u[wanted], h, _LEAST_STEP))
    length = np.linalg.norm(slope, axis=1)
    side = slope / np.maximum(length, 1e-300)[:, None]

    def cosines() -> Reals:
        return np.asarray(np.einsum("ed,ed->e", side[start], side[end]))

    def off_at(edge: Ints, share: Reals) -> tuple[Reals, Reals]:
        """Points at these shares of edges, and the distances there."""
        x: Reals = at[start[edge]]
        x[np.arange(len(edge)), axis[edge]] += share * h
        return x, np.maximum(sample(x, "crossings").astype(np.float64), 0)

    share = u[start] / np.maximum(u[start] + u[end], 1e-300)
    sure = np.flatnonzero((cosines() < -_CLEAR) & (np.minimum(u[start], u[end]) > _ON * h))
    noise = min(ROUGH, float(np.quantile(off_at(sure, share[sure])[1], 0.9)) / h) if len(sure) else 0.0
    weak = np.zeros(len(u), dtype=bool)
    weak[wanted] = u[wanted] < max(_WEAK, 2 * noise) * h
    sign = None if noise > _NOISY else slope
    _agree(side, np.where(weak, 0.0, np.minimum(length, 1.0)), at, u, of_leaf, weak, sign)
    cosine = cosines()
    found = np.full((len(start), 2), np.nan)  # places along the edge, as shares
    opposite, across = cosine < -_CLEAR, np.abs(cosine) <= _CLEAR
    found[opposite, 0] = share[opposite]
    found[across, 0] = _reach(u[start], -side[start, axis], h)[across]
    found[across, 1] = 1 - _reach(u[end], side[end, axis], h)[across]
    found[~((found >= 0) & (found <= 1))] = np.nan
    edge, which = np.nonzero(np.isfinite(found))
    off, place = np.full(found.shape, np.inf), np.full((*found.shape, 3), np.nan)
    place[edge, which], off[edge, which] = off_at(edge, found[edge, which])
    near, column = np.nonzero(across[:, None] & (off <= _ON * h))
    for reach in _LOOKS:
        shares = np.clip(found[near, column, None] + reach * np.linspace(-1, 1, 11), 0, 1)
        x, u_at = off_at(np.repeat(near, 11), shares.ravel())
        first = 11 * np.arange(len(near)) + u_at.reshape(-1, 11).argmin(axis=1)
        found[near, column], off[near, column], place[near, column] = shares.ravel()[first], u_at[first], x[first]
    bent = max(_BENT, 2.5 * noise) * h
    is_twice = (off <= bent).all(axis=1) & (np.abs(found[:, 0] - found[:, 1]) > 2 * _BENT)
    best, least = off.argmin(axis=1), off.min(axis=1)
    most = np.where(across, bent, max(_ON, 2.5 * noise) * h)
    kept = np.flatnonzero((least <= most) & ~is_twice)
    return Crossed(points[start[kept]], axis[kept], place[kept, best[kept]], least[kept], noise)


def _reach(u: Reals, falling: Reals, spacing: float) -> Reals:
    """Where a distance u that falls by `falling` per length is 0, in shares of an edge; NaN where it does not fall."""
    share: Reals = np.divide(u, falling * spacing, out=np.full(len(u), np.nan), where=falling > 1e-9)
    return share


def _leaves(sample: PointEvaluator, resolution: int, memory_bytes: int) -> Ints:
    """Lattice cells [K, 3] that the surface may pass: their centre is not farther from it than their corners."""
    side = 1 << max(0, math.ceil(math.log2(resolution / _COARSE)))
    axis = np.arange(-(-resolution // side))
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    while True:
        low, high = cells * side / resolution, np.minimum((cells + 1) * side / resolution, 1)
        radius = np.linalg.norm(high - low, axis=1) / 2
        u = sample((low + high) / 2, f"cells of {side}")
        cells = cells[u <= _SLOPE * radius + _MARGIN / resolution]
        check_cells(resolution, len(cells) * side**2 * _BYTES_PER_LEAF, memory_bytes)
        if side == 1:
            return np.asarray(cells, np.int64)
        side //= 2
        cells = (2 * cells[:, None] + CORNERS).reshape(-1, 3)
        cells = cells[(cells * side < resolution).all(axis=1)]


def _key(index: Ints, n: int) -> Ints:
    return (index[..., 0] * n + index[..., 1]) * n + index[..., 2]


def _index(key: Ints, n: int) -> Ints:
    rest, k = np.divmod(key, n)
    i, j = np.divmod(rest, n)
    return np.stack([i, j, k], axis=-1)


def _edges(of_leaf: Ints) -> tuple[Ints, Ints, Ints]:
    """Start, end and axis [E] of the distinct edges of cells with corners [K, 8]."""
    found = []
    for axis in range(3):
        first = np.flatnonzero(CORNERS[:, axis] == 0)
        start, end = of_leaf[:, first].ravel(), of_leaf[:, first + (4 >> axis)].ravel()
        start, once = np.unique(start, return_index=True)
        found.append(np.stack([start, end[once], np.full(len(start), axis)]))
    start, end, axis_of = np.concatenate(found, axis=1)
    return start, end, axis_of


def _agree(side: Reals, weight: Reals, x: Reals, u: Reals, of_leaf: Ints, weak: Bools, slope: Reals | None) -> None:
    """Replace the directions `side` [N, 3] of weak lattice points x, which are too close to the surface for a slope.

    The points around, by their weight, agree on a normal and on a place of the surface; the direction is that normal,
    to the side on which the point lies, by its slope [N, 3] if that is given. All edges of a point see the same one.
    """
    outer = weight[:, None, None] * side[:, :, None] * side[:, None, :]
    feet = weight[:, None] * (x - u[:, None] * side)
    touched = np.flatnonzero(weak[of_leaf].any(axis=1))
    parts = of_leaf[touched]
    around, place, total = np.zeros((len(u), 3, 3)), np.zeros((len(u), 3)), np.zeros(len(u))
    sums = outer[parts].sum(axis=1), feet[parts].sum(axis=1), weight[parts].sum(axis=1)
    for corner in range(8):
        for into, each in zip((around, place, total), sums, strict=True):
            np.add.at(into, parts[:, corner], each)
    here = np.flatnonzero(weak)
    normal = np.linalg.eigh(around[here])[1][:, :, -1]
    up = x[here] - place[here] / np.maximum(total[here], 1e-300)[:, None] if slope is None else slope[here]
    height = np.einsum("nd,nd->n", up, normal)
    side[here] = np.where(height < 0, -1.0, 1.0)[:, None] * normal
