"""Planes of a surface beside its edges, for fields whose slope is known by central differences only.

Differences across an edge mix the normals of its two sides, so the planes are taken a little away from it.
"""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import Ints, PointEvaluator, Reals
from inr.mesh.project import unit

_AWAY, _STEP = 0.5, 0.375
"""How far from the crossing a plane is taken, and the step of differences there, in cells. The step is smaller, so the
differences do not reach the edge."""
_LIKE = 0.5
"""Cosine between the normal there and at the crossing, below which the plane at the crossing is kept."""


def planes_beside(
    points: Reals, normals: Reals, owner: Ints, best: Reals, sample: PointEvaluator, spacing: float
) -> tuple[Reals, Reals]:
    """Points [K, 3] and unit normals [K, 3] of planes beside those given.

    owner [K]: the sheet of each plane. best [V, 3]: where the planes of each sheet meet. Each point slides along its
    plane away from the other planes of its sheet; the value and slope of the field there give the new plane. The old
    one stays where the surface is farther than half a cell, or faces another way.
    """
    away = _away(points, normals, owner, best)
    places = np.clip(points + _AWAY * spacing * unit(away), 0, 1)
    slope = sample.gradient(places, _STEP * spacing)
    value = sample(places, "edges").astype(np.float64)
    step = -value[:, None] * slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 1e-12)
    found = unit(slope)
    is_good = (np.linalg.norm(step, axis=1) < spacing / 2) & (np.einsum("kd,kd->k", found, normals) > _LIKE)
    return np.where(is_good[:, None], places + step, points), np.where(is_good[:, None], found, normals)


def _away(points: Reals, normals: Reals, owner: Ints, best: Reals) -> Reals:
    """Directions [K, 3] along each plane, away from the other planes of the same sheet, to the side of the point."""
    order = np.argsort(owner, kind="stable")
    of = owner[order]
    first = np.flatnonzero(np.diff(of, prepend=-1))
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(of))))
    place = np.arange(len(of)) - first[group]
    table = np.zeros((len(first), int(place.max(initial=-1)) + 1, 3))
    table[group, place] = normals[order]
    own, apart = normals[order], points[order] - best[of]
    away = np.zeros_like(points)
    for k in range(table.shape[1]):
        other = table[group, k]
        across = other - np.einsum("kd,kd->k", other, own)[:, None] * own
        away[order] += np.sign(np.einsum("kd,kd->k", other, apart))[:, None] * across
    return away
