"""Cross-sections of a solid: polygons in a plane, of which the even-odd rule says what is inside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np

from inr.kernels.even_odd import in_strips, is_inside
from inr.signals.solids.faces import Bools, Floats, Ints

FAR = 1e30
"""The distance to the contours of a plane that has none."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A plane, and the closed rings in which the surface of a solid cuts it.

    origin: [3] a point of the plane. frame: [3, 3], rows e1, e2, n, orthonormal; n is the normal of the plane. rings:
    [V, 2] each, in coordinates along e1 and e2; the last vertex is joined to the first. A point of the plane is
    inside if an odd number of rings surrounds it, whatever their direction: a ring in a ring is a hole, a ring in a
    hole an island. No rings: the solid does not meet the plane.
    """

    origin: Floats
    frame: Floats
    rings: tuple[Floats, ...]

    @classmethod
    def of_plane(cls, normal: Floats, offset: float, rings: Sequence[Floats]) -> Self:
        """The section in the plane normal . p = offset (normal [3], any length), with rings [V, 3] in space.

        Vertices are projected onto the plane.
        """
        length = float(np.linalg.norm(normal))
        n = np.asarray(normal, np.float64) / length
        frame = frame_of(n)
        origin = n * (offset / length)
        return cls(origin, frame, tuple((np.asarray(ring, np.float64) - origin) @ frame[:2].T for ring in rings))

    @property
    def normal(self) -> Floats:
        """Of unit length, [3]."""
        found: Floats = self.frame[2]
        return found

    @property
    def offset(self) -> float:
        """The plane is normal . p = offset."""
        return float(self.frame[2] @ self.origin)

    @property
    def is_empty(self) -> bool:
        return not self.rings

    @cached_property
    def _edges(self) -> tuple[Floats, Floats]:
        """Where each edge begins and ends, [S, 2] each. Edges that occur twice, as in a keyhole, are no boundary."""
        if not self.rings:
            return np.empty((0, 2)), np.empty((0, 2))
        starts = np.concatenate(self.rings)
        ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in self.rings])
        corner = np.unique(np.concatenate([starts, ends]), axis=0, return_inverse=True)[1].reshape(2, -1)
        _, first, counts = np.unique(np.sort(corner, axis=0), axis=1, return_index=True, return_counts=True)
        kept = np.sort(first[counts % 2 == 1])
        kept = kept[corner[0, kept] != corner[1, kept]]
        return np.ascontiguousarray(starts[kept]), np.ascontiguousarray(ends[kept])

    @property
    def starts(self) -> Floats:
        """Where each edge begins, [S, 2]."""
        return self._edges[0]

    @property
    def ends(self) -> Floats:
        """Where each edge ends, [S, 2]."""
        return self._edges[1]

    @property
    def vertices(self) -> Floats:
        """All vertices in space, [V, 3]."""
        return self.to_space(self.starts)

    def to_plane(self, p: Floats) -> Floats:
        """Points [N, 3] projected onto the plane, [N, 2]."""
        at: Floats = (p - self.origin) @ self.frame[:2].T
        return at

    def to_space(self, at: Floats) -> Floats:
        """Points [N, 2] of the plane in space, [N, 3]."""
        p: Floats = self.origin + at @ self.frame[:2]
        return p

    def height(self, p: Floats) -> Floats:
        """Signed distances [N] of points [N, 3] from the plane."""
        found: Floats = (p - self.origin) @ self.frame[2]
        return found

    def contains(self, at: Floats) -> Bools:
        """Whether points [N, 2] are inside, by the even-odd rule."""
        inside = np.zeros(len(at), np.bool_)
        if len(self.starts):
            is_inside(np.ascontiguousarray(at, np.float64), self.starts, self.ends, *self._strips, inside)
        return inside

    @cached_property
    def _strips(self) -> tuple[Ints, Ints, float, float]:
        """The edges by their height in the plane, see `in_strips`."""
        low, high = float(self.starts[:, 1].min()), float(self.starts[:, 1].max())
        n = len(self.starts) // 4 + 1
        per_strip = n / max(high - low, 1e-300)
        return *in_strips(self.starts, self.ends, low, per_strip, n), low, per_strip

    def distance(self, at: Floats) -> Floats:
        """Signed distances [N] in the plane from points [N, 2] to the contours, negative inside; `FAR` without any."""
        import igl

        if not len(self.starts) or not len(at):
            return np.full(len(at), FAR)
        n = len(self.starts)
        ends = np.concatenate([self.starts, self.ends])
        edges = np.stack([np.arange(n), n + np.arange(n)], axis=1)
        squared = igl.point_mesh_squared_distance(np.ascontiguousarray(at, np.float64), ends, edges)[0]
        unsigned: Floats = np.sqrt(np.reshape(squared, -1))
        return np.where(self.contains(at), -unsigned, unsigned)

    @property
    def area(self) -> float:
        """Area of what is inside, for rings that do not cross: each counts positive if an even number surrounds it."""
        total = 0.0
        for k, ring in enumerate(self.rings):
            others = Section(self.origin, self.frame, self.rings[:k] + self.rings[k + 1 :])
            x, y = (ring - ring[0]).T
            size = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
            total += -size if others.contains(ring[:1])[0] else size
        return total

    def moved(self, low: Floats, side: float) -> Section:
        """The same section in the unit box of a cube with this corner [3] and side."""
        return Section((self.origin - low) / side, self.frame, tuple(ring / side for ring in self.rings))


def frame_of(n: Floats) -> Floats:
    """Orthonormal rows e1, e2, n for a unit vector n [3]; e1, e2 are axes where n is one."""
    axis = int(np.argmax(np.abs(n)))
    e1 = np.eye(3)[(axis + 1) % 3]
    e1 = e1 - (e1 @ n) * n
    e1 /= np.linalg.norm(e1)
    return np.stack([e1, np.cross(n, e1), n])
