"""Whether cross-sections contradict each other where their planes meet."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from inr.signals.solids.faces import Floats
from inr.signals.solids.sections import Section

_ALONG = 1024
_CLEAR = 0.004
"""Distance from the contours, in boxes, from which a point is clearly inside or outside: contours are polygons."""
_PARALLEL = 1e-6
_SAME = 1e-6
_MOST_PAIRS = 4096


@dataclasses.dataclass(frozen=True)
class Conflict:
    """Sections first < second, from 0, that disagree on this share of their common line, or of their common plane."""

    first: int
    second: int
    share: float
    is_line: bool


def conflicts(sections: Sequence[Section]) -> list[Conflict]:
    """The pairs of sections in the unit box that disagree, the worst first; at most 4096 pairs are looked at.

    The common line is cut where it leaves the box. A point counts if it is inside in one plane, outside in the other,
    and clearly so in both.
    """
    pairs = list(itertools.combinations(range(len(sections)), 2))
    found = []
    for i, j in pairs[:: len(pairs) // _MOST_PAIRS + 1]:
        a, b = sections[i], sections[j]
        is_line = float(np.linalg.norm(np.cross(a.normal, b.normal))) > _PARALLEL
        points = _common_line(a, b) if is_line else _common_plane(a, b)
        share = _disagreement(a, b, points)
        if share > 0:
            found.append(Conflict(i, j, share, is_line))
    return sorted(found, key=lambda each: -each.share)


def is_same_plane(a: Section, b: Section) -> bool:
    return (
        float(np.linalg.norm(np.cross(a.normal, b.normal))) < _PARALLEL
        and abs(float(a.height(b.origin[None])[0])) < _SAME
    )


def _common_line(a: Section, b: Section) -> Floats:
    """Points [N, 3] of the line of two planes within the unit box."""
    way = np.cross(a.normal, b.normal)
    way /= np.linalg.norm(way)
    system = np.stack([a.normal, b.normal, way])
    start = np.linalg.solve(system, np.array([a.offset, b.offset, way @ np.full(3, 0.5)]))
    line: Floats = start + ((np.arange(_ALONG) + 0.5) / _ALONG * 2 - 1)[:, None] * way
    return line[((line >= 0) & (line <= 1)).all(axis=1)]


def _common_plane(a: Section, b: Section) -> Floats:
    if not is_same_plane(a, b):
        return np.empty((0, 3))
    at = np.stack(np.meshgrid(*[np.linspace(-0.87, 0.87, 96)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    points = a.to_space(a.to_plane(np.full((1, 3), 0.5)) + at)
    return points[((points >= 0) & (points <= 1)).all(axis=1)]


def _disagreement(a: Section, b: Section, points: Floats) -> float:
    """Share of points on which two sections clearly disagree."""
    if not len(points):
        return 0.0
    differs = points[a.contains(a.to_plane(points)) != b.contains(b.to_plane(points))]
    if not len(differs):
        return 0.0
    clear = np.minimum(*(np.abs(each.distance(each.to_plane(differs))) for each in (a, b))) > _CLEAR
    return float(clear.sum() / len(points))
