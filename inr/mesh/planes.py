"""Where the planes of crossings meet: the quadric error function of dual contouring."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import Bools, Ints, Reals

FLAT = 0.02
"""Part of the largest eigenvalue below which another counts as zero: normals that differ by about 16 degrees in all."""


def meeting_points(
    points: Reals, normals: Reals, owner: Ints, low: Reals, high: Reals
) -> tuple[Reals, Reals, Reals, Ints]:
    """For each of V owners, the place nearest to its planes: of minimal sum of (n . (v - p))^2 in its box.

    points, normals [K, 3]: of planes. owner [K] in 0..V-1, each with at least one plane. low, high [V, 3]: the boxes.
    Directions in which the planes say nothing keep the mean of the points. Returns the places [V, 3], the mean of the
    points [V, 3], the mean normal [V, 3] of unit length, and the number of directions [V] that are fixed: 1 on a smooth
    surface, 2 on an edge, 3 at a corner.
    """
    n = len(low)
    count = np.bincount(owner, minlength=n)[:, None]
    middle = _sums(points, owner, n) / count
    along = np.einsum("kd,kd->k", normals, points - middle[owner])
    right = _sums(along[:, None] * normals, owner, n)
    square = _sums((normals[:, :, None] * normals[:, None, :]).reshape(-1, 9), owner, n).reshape(n, 3, 3)
    mean_normal = _sums(normals, owner, n)
    mean_normal /= np.maximum(np.linalg.norm(mean_normal, axis=1, keepdims=True), 1e-300)
    shift, rank = _solved(square, right)
    found = middle + shift
    held: Bools = np.zeros((n, 3), dtype=bool)
    for _ in range(3):  # at most three coordinates can reach a wall of the box
        out = ((found < low) | (found > high)) & ~held
        rows = np.flatnonzero(out.any(axis=1))
        if not len(rows):
            break
        held[rows] |= out[rows]
        fixed = np.where(held[rows], np.clip(found[rows], low[rows], high[rows]) - middle[rows], 0.0)
        free = np.where(held[rows], 0.0, right[rows] - np.einsum("nij,nj->ni", square[rows], fixed))
        reduced = square[rows] * ~held[rows, :, None] * ~held[rows, None, :]
        found[rows] = middle[rows] + fixed + np.where(held[rows], 0.0, _solved(reduced, free)[0])
    return np.clip(found, low, high), middle, mean_normal, rank


def _solved(square: Reals, right: Reals) -> tuple[Reals, Ints]:
    """The shortest x of least |A x - b| for symmetric A [N, 3, 3], b [N, 3], and the rank of each A."""
    values, vectors = np.linalg.eigh(square)
    is_kept = values > FLAT * np.maximum(values[:, 2:], 1e-12)
    across = np.einsum("nij,ni->nj", vectors, right)
    across = np.divide(across, values, out=np.zeros_like(across), where=is_kept)
    return np.einsum("nij,nj->ni", vectors, across), is_kept.sum(axis=1)


def _sums(rows: Reals, owner: Ints, n: int) -> Reals:
    return np.stack([np.bincount(owner, weights=column, minlength=n) for column in rows.T], axis=1)
