"""Open patches that lie along one another's rims without sharing corners, turned alike."""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

_STEP = 1 / 256  # of the largest extent: between points of a rim
_NEAR = 1.5  # steps: points of two rims that are closer lie on one seam
_PARALLEL = 0.9  # cosine of the angle between two rims on a seam
_MAX_POINTS = 2**20


def signs_of_patches(start: Floats, end: Floats, patch: Ints, n: int) -> Ints:
    """+1 or -1 (turn it over) for each of n patches, so that neighbours pass the seams between them opposite ways.

    start, end [E, 3]: of each edge of a rim, in the direction in which its face passes it. patch [E]: whose it is.
    Seams count by their length, the longest first; of the patches that they connect, that of the longest rim stays.
    """
    signs = np.ones(n, np.int64)
    if len(np.unique(patch)) < 2:
        return signs
    size = float(np.ptp(np.concatenate([start, end]), axis=0).max())
    group, rim = np.arange(n), np.bincount(patch, np.linalg.norm(end - start, axis=1), n)
    for one, other, is_alike in _seams(start, end, patch, size * _STEP):
        keeps, joins = sorted((int(group[one]), int(group[other])), key=lambda g: (-rim[g], g))
        if keeps == joins:
            continue
        members = group == joins
        if (signs[one] == signs[other]) != is_alike:
            signs[members] *= -1
        group[members] = keeps
        rim[keeps] += rim[joins]
    return signs


def _seams(start: Floats, end: Floats, patch: Ints, step: float) -> list[tuple[int, int, bool]]:
    """(a patch, another one, whether they pass their seam opposite ways) of every two that share one, by its length."""
    from scipy.spatial import cKDTree

    along = end - start
    length = np.linalg.norm(along, axis=1)
    n_points = np.maximum(1, np.ceil(length / step)).astype(np.int64)
    if n_points.sum() > _MAX_POINTS:
        return []
    edge = np.repeat(np.arange(len(start)), n_points)
    place = (np.arange(len(edge)) - np.repeat(np.cumsum(n_points) - n_points, n_points) + 0.5) / n_points[edge]
    points = start[edge] + place[:, None] * along[edge]
    way = along / np.maximum(length, np.finfo(np.float64).tiny)[:, None]
    pairs = cKDTree(points).query_pairs(_NEAR * step, output_type="ndarray")
    first, second = edge[pairs[:, 0]], edge[pairs[:, 1]]
    cosine = np.einsum("nd,nd->n", way[first], way[second])
    is_seam = (patch[first] != patch[second]) & (np.abs(cosine) > _PARALLEL)
    first, second, cosine = first[is_seam], second[is_seam], cosine[is_seam]
    if not len(first):
        return []
    ends = np.sort(np.stack([patch[first], patch[second]], axis=1), axis=1)
    names, name = np.unique(ends, axis=0, return_inverse=True)
    weight = np.minimum(length[first] / n_points[first], length[second] / n_points[second])
    votes = np.bincount(name.reshape(-1), -cosine * weight, len(names))
    order = np.argsort(-np.abs(votes), kind="stable")
    return [(int(names[k, 0]), int(names[k, 1]), bool(votes[k] > 0)) for k in order if votes[k] != 0]
