"""One vertex per cell from tangent planes of an unsigned distance: on faces, sharp edges and corners alike.

Zhang, Wang, Du, Liu, Zhao, Wang 2023: Surface extraction from neural unsigned distance fields (DualMesh-UDF),
arXiv 2309.08878. A sample x with distance u and unit slope g says that the surface passes through x - u g, across g.
"""

from __future__ import annotations

import itertools

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, PointEvaluator, Reals

SAMPLES: Ints = np.array(list(itertools.product((0, 1, 2), repeat=3)), dtype=np.int64)
"""[27, 3]: places of a cell's samples, in half cells from its lowest corner."""

_NEAREST = 0.13
"""Distance of samples, in cells, below which their slope is not used; and of a plane's foot, above which it is not."""

_STRAIGHT = 0.8
"""Length of a slope by differences below which it is the mean of two that meet."""

_FLAT = 0.02
"""Eigenvalue, as a share of the largest, below which planes say nothing about a direction."""

_SLACK = 0.1
"""How far beyond its cell, in cells, a foot still counts as the cell's in the second try."""


def vertices_of(cells: Ints, starts: Reals, sample: PointEvaluator, spacing: float, noise: float) -> Reals:
    """A vertex [K, 3] for each lattice cell [K, 3] that the surface passes.

    27 samples at the corners, the middles of edges and faces, and the centre. Their planes have a point of least
    squares; in directions about which they say nothing (along a sharp edge, in a face) it is as near as possible to
    `starts` [K, 3], points of the cells close to the surface. A point outside its cell is kept if it is the tip of a
    corner or an edge in a cell that is not among these. Otherwise it is found again from the planes with a foot in the
    cell; if that one is outside too, it is the foot of the start. noise: of the distance at the surface, in cells.
    """
    points, of_cell = _distinct_samples(cells)
    x: Reals = np.asarray(points * (spacing / 2), np.float64)
    u, slope, good = _planes(x, sample, spacing, noise)
    foot = x - u[:, None] * slope
    low: Reals = np.asarray(cells * spacing, np.float64)
    found = np.full((len(cells), 3), np.nan)
    use = good[of_cell]
    for reach in (np.inf, _SLACK * spacing):
        left = np.flatnonzero(np.isnan(found[:, 0]))
        if not len(left):
            return found
        feet, rows = foot[of_cell[left]], use[left]
        if np.isfinite(reach):
            rows = rows & _is_inside(feet, low[left, None], spacing, reach)
        # slopes close to a sheet are less certain
        weight = np.where(rows, np.minimum(1, 2 * u[of_cell[left]] / spacing), 0.0)
        y, rank = _least_squares(feet, slope[of_cell[left]], weight, starts[left])
        accepted = _is_inside(y, low[left], spacing, 1e-6 * spacing)
        if not np.isfinite(reach):
            accepted |= _is_tip(y, rank, cells, spacing)
        accepted &= rows.sum(axis=1) > 2
        found[left[accepted]] = y[accepted]
    left = np.flatnonzero(np.isnan(found[:, 0]))
    u, slope, _ = _planes(starts[left], sample, spacing, noise)
    moved = starts[left] - u[:, None] * slope
    found[left] = np.clip(moved, low[left], low[left] + spacing)
    return found


def step_at(u: Reals, spacing: float, least: float = _NEAREST) -> Reals:
    """Steps of differences [N] at distances u [N]: half a cell, or less, but `least` cells, to stay on one side."""
    return np.asarray(np.clip(0.9 * u, least * spacing, spacing / 2), np.float64)


def _distinct_samples(cells: Ints) -> tuple[Ints, Ints]:
    """The samples of all cells without repetition [N, 3], in half cells, and those of each cell [K, 27]."""
    at = 2 * cells[:, None] + SAMPLES
    side = int(at.max(initial=0)) + 1
    keys = (at[..., 0] * side + at[..., 1]) * side + at[..., 2]
    distinct, inverse = np.unique(keys, return_inverse=True)
    rest, k = np.divmod(distinct, side)
    i, j = np.divmod(rest, side)
    return np.stack([i, j, k], axis=1), inverse.reshape(len(cells), -1)


def _planes(x: Reals, sample: PointEvaluator, spacing: float, noise: float) -> tuple[Reals, Reals, Bools]:
    """Distance [N], unit slope [N, 3] and whether they can be relied upon [N], of points [N, 3]."""
    nearest = max(_NEAREST, 1.5 * noise)
    u = np.maximum(sample(x, "distances").astype(np.float64), 0)
    slope = sample.gradient(x, step_at(u, spacing, nearest))
    length = np.linalg.norm(slope, axis=1)
    slope = slope / np.maximum(length, 1e-300)[:, None]
    good = (u > nearest * spacing) & (length > _STRAIGHT)
    where = np.flatnonzero(good)
    foot = np.clip(x[where] - u[where, None] * slope[where], 0, 1)
    good[where] = sample(foot, "feet") < max(nearest, 2.5 * noise) * spacing
    return u, slope, good


def _is_inside(x: Reals, low: Reals, spacing: float, slack: float) -> Bools:
    return np.asarray(((x >= low - slack) & (x <= low + spacing + slack)).all(axis=-1))


def _is_tip(y: Reals, rank: Ints, cells: Ints, spacing: float) -> Bools:
    """Which points y [K, 3] of K cells lie on a sharp feature (rank 2 or 3) in a neighbouring cell that is not one of
    them; of several in the same cell that of the highest rank, then the nearest to its own cell."""
    there = np.floor(y / spacing).astype(np.int64)
    away = np.abs(there - cells).max(axis=1)
    found = np.flatnonzero((rank > 1) & (away == 1))
    side = int(max(cells.max(), there.max())) + 2

    def key(index: Ints) -> Ints:
        return np.asarray((index[:, 0] * side + index[:, 1]) * side + index[:, 2], np.int64)

    found = found[~np.isin(key(there[found]), key(cells))]
    own = np.linalg.norm(y[found] / spacing - (cells[found] + 0.5), axis=1)
    order = np.lexsort([own, -rank[found], key(there[found])])
    first = np.diff(key(there[found])[order], prepend=-1) != 0
    chosen = np.zeros(len(y), dtype=bool)
    chosen[found[order[first]]] = True
    return chosen


def _least_squares(feet: Reals, slopes: Reals, weight: Reals, origin: Reals) -> tuple[Reals, Ints]:
    """Points [K, 3] nearest to the planes of K cells, 27 each.

    feet, slopes [K, 27, 3]; weight [K, 27] of the planes; origin [K, 3]: to which the solution is as near as the
    planes allow. With the number of directions that they determine, 1 to 3.
    """
    a = slopes * weight[..., None]
    right = np.einsum("knd,knd->kn", a, feet - origin[:, None])
    values, vectors = np.linalg.eigh(np.einsum("knd,kne->kde", a, a))
    kept = values > np.maximum(_FLAT * values[:, -1:], 1e-12)
    inverse = np.where(kept, 1 / np.where(kept, values, 1), 0)
    b = np.einsum("knd,kn->kd", a, right)
    y = origin + np.einsum("kde,ke,kfe,kf->kd", vectors, inverse, vectors, b)
    return np.asarray(y), np.asarray(kept.sum(axis=1))
