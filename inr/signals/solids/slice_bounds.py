"""What cross-sections say about the distance function of a solid, as intervals at points of their planes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from inr.signals.solids.faces import Bools, Floats, Ints
from inr.signals.solids.sections import Section

LEAST, LEAST_PARALLEL = 0.3, 0.45
"""Least size of the distance as a part of that within the plane; without it, 0 everywhere would be the smoothest.
In parallel planes a larger one rounds off the ends of a solid less."""
_OUTSIDE = 0.01
_OFF = 0.04
_NEAR_LEAST, _NEAR_MOST = 1 / 512, 1 / 16
_CLOSE = 1e-3


@dataclasses.dataclass(frozen=True)
class SliceBounds:
    """Intervals low <= f <= high [N] of the distance f of a solid, at points [N, 3] in the unit box.

    In the plane of a section let s be the signed distance to its contours. The nearest point of the surface is at most
    as far as that of the contours, so f has the sign of s and |f| <= |s|; 0 on the contours. And |f| >= LEAST |s|,
    which is an assumption: it holds unless the surface meets the plane at less than 17 degrees, 27 for LEAST_PARALLEL.
    """

    points: Floats
    low: Floats
    high: Floats

    @classmethod
    def joined(cls, parts: Sequence[SliceBounds]) -> Self:
        names = ("points", "low", "high")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __getitem__(self, here: Ints | Bools) -> SliceBounds:
        return SliceBounds(self.points[here], self.low[here], self.high[here])

    def __len__(self) -> int:
        return len(self.points)

    def distinct(self) -> SliceBounds:
        """Without points that lie within a thousandth of the box of an earlier one."""
        from scipy.spatial import cKDTree

        pairs = cKDTree(self.points).query_pairs(_CLOSE, output_type="ndarray")
        is_kept = np.ones(len(self), np.bool_)
        for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
            if is_kept[first]:
                is_kept[second] = False
        return self[is_kept]


def on_contours(section: Section, n: int, least: float) -> SliceBounds:
    """About n points on the contours, evenly by length, and half as many beside them."""
    way = section.ends - section.starts
    length = np.linalg.norm(way, axis=1)
    so_far = np.cumsum(length)
    at = (np.arange(n) + 0.5) / n * so_far[-1]
    k = np.minimum(np.searchsorted(so_far, at), len(length) - 1)
    on = section.starts[k] + (1 - (so_far[k] - at) / length[k])[:, None] * way[k]
    across = np.stack([way[k, 1], -way[k, 0]], axis=1) / length[k][:, None]
    off = np.concatenate([on[::4] + _OFF * across[::4], on[2::4] - _OFF * across[2::4]])
    zero = np.zeros(n)
    return SliceBounds.joined([SliceBounds(section.to_space(on), zero, zero), in_plane(section, off, least)])


def in_plane(section: Section, at: Floats, least: float) -> SliceBounds:
    """The intervals at points [N, 2] of the plane, without those that are outside of the box or nearly on a contour."""
    p = section.to_space(at)
    kept = ((p >= 0) & (p <= 1)).all(axis=1)
    at, p = at[kept], p[kept]
    if section.is_empty:
        return SliceBounds(p, np.full(len(p), _OUTSIDE), np.full(len(p), 1.0))
    s = section.distance(at)
    at, p, s = (each[np.abs(s) > _CLOSE] for each in (at, p, s))
    return SliceBounds(p, np.where(s < 0, s, least * s), np.where(s < 0, least * s, s))


def all_over(section: Section, n: int, generator: np.random.Generator) -> Floats:
    """n points [n, 2] of the plane, uniform where it passes through the box."""
    middle = section.to_plane(np.full((1, 3), 0.5))
    found, n_found = [], 0
    for _ in range(200):
        at = middle + generator.uniform(-0.87, 0.87, (4 * n, 2))
        p = section.to_space(at)
        found.append(at[((p >= 0) & (p <= 1)).all(axis=1)])
        n_found += len(found[-1])
        if n_found >= n:
            break
    return np.concatenate(found)[:n]


def beside_contours(section: Section, n: int, generator: np.random.Generator, *, is_on: bool = False) -> Floats:
    """n points [n, 2] of the plane: uniform on the contours, then, unless `is_on`, moved by normal numbers of
    log-uniform width."""
    way = section.ends - section.starts
    so_far = np.cumsum(np.linalg.norm(way, axis=1))
    k = np.minimum(np.searchsorted(so_far, generator.random(n) * so_far[-1]), len(way) - 1)
    on = section.starts[k] + generator.random((n, 1)) * way[k]
    if is_on:
        return np.asarray(on)
    width = np.exp(generator.uniform(np.log(_NEAR_LEAST), np.log(_NEAR_MOST), (n, 1)))
    moved: Floats = on + width * generator.normal(size=(n, 2))
    return moved


def walls(n: int = 6) -> SliceBounds:
    """n x n points of each wall of the box, which the solid does not reach."""
    at = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.concatenate([np.insert(at, axis, end, axis=1) for axis in range(3) for end in (0.0, 1.0)])
    return SliceBounds(p, np.full(len(p), _OUTSIDE), np.full(len(p), 2.0))


def beyond_hull(sections: Sequence[Section], x: Floats) -> Floats:
    """A lower bound [N] of the distances from points [N, 3] to the convex hull of all contours x 1.05, negative inside.

    Contours that all lie in one plane have no hull: then everything is at distance -1.
    """
    from scipy.spatial import ConvexHull, QhullError

    points = np.concatenate([each.vertices for each in sections])
    middle = points.mean(axis=0)
    try:
        hull: Any = ConvexHull(middle + 1.05 * (points - middle))
    except QhullError:
        return np.full(len(x), -1.0)
    planes = np.unique(hull.equations, axis=0)
    parts = [(part @ planes[:, :3].T + planes[:, 3]).max(axis=1) for part in np.array_split(x, len(x) // 4096 + 1)]
    found: Floats = np.concatenate(parts)
    return found
