"""Cross-sections of solids that are given by formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.measure import find_contours

from inr.signals.solids.faces import Floats
from inr.signals.solids.sections import Section


def torus(p: Floats) -> Floats:
    """Signed distance to a torus of radii 0.5 and 0.2 around z."""
    return np.asarray(np.hypot(np.hypot(p[..., 0], p[..., 1]) - 0.5, p[..., 2]) - 0.2)


def ball(p: Floats) -> Floats:
    return np.asarray(np.linalg.norm(p, axis=-1) - 0.5)


def cut(solid: Callable[[Floats], Floats], normal: tuple[float, float, float], offset: float, n: int = 120) -> Section:
    """The section of a solid within 0.8 of the origin, from n x n samples."""
    empty = Section.of_plane(np.array(normal), offset, [])
    at = np.linspace(-0.8, 0.8, n)
    grid = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    values = solid(empty.to_space(grid)).reshape(n, n)
    return Section(empty.origin, empty.frame, tuple(r[:-1] * (at[1] - at[0]) + at[0] for r in find_contours(values, 0)))


def random_cuts(solid: Callable[[Floats], Floats], count: int, n: int = 120) -> list[Section]:
    """Sections in random planes that meet the solid."""
    rng = np.random.default_rng(0)
    found: list[Section] = []
    while len(found) < count:
        normal = rng.normal(size=3)
        section = cut(solid, tuple(normal / np.linalg.norm(normal)), rng.uniform(-0.35, 0.35), n)
        found += [] if section.is_empty else [section]
    return found


def share(solid: Callable[[Floats], Floats], found: Callable[[Floats], Floats], n: int = 40_000) -> float:
    """Intersection over union of two solids within 0.8 of the origin; found: distances, negative inside."""
    p = np.random.default_rng(9).uniform(-0.8, 0.8, (n, 3))
    a, b = solid(p) < 0, found(p) < 0
    return float((a & b).sum() / (a | b).sum())
