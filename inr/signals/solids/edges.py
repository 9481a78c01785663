"""The edges of faces: which faces meet at each, how often they pass it either way, and what is joined over edges."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.signals.solids.faces import Bools, Faces, Floats, Ints


@dataclasses.dataclass(frozen=True)
class Balance:
    """The edges at which patches do not balance. edge, patch, excess [K]: passes one way less those the other way."""

    edge: Ints
    patch: Ints
    excess: Ints


@dataclasses.dataclass(frozen=True)
class Edges:
    """The undirected edges of faces. Side 3 f + k of face f goes from its corner k to the next.

    of_side [3 F]: edge of each side; direction [3 F]: +1 or -1. n_faces [E]: sides of each edge. order [3 F]: the sides
    edge by edge, those of one edge in rising order.
    """

    of_side: Ints
    direction: Ints
    n_faces: Ints
    order: Ints

    @classmethod
    def of(cls, faces: Faces) -> Edges:
        from inr.kernels.triangles import sorted_sides

        order, of_side, direction, n = sorted_sides(np.ascontiguousarray(faces), int(faces.max()) + 1)
        return cls(of_side, direction, np.bincount(of_side, minlength=n), order)

    @property
    def is_closed(self) -> bool:
        """Whether every edge is passed exactly once in each direction: watertight, and consistently wound."""
        if not (self.n_faces == 2).all():
            return False
        return bool((self.direction[self.order[::2]] != self.direction[self.order[1::2]]).all())

    def ends(self, faces: Faces, chosen: Bools) -> Ints:
        """Corners [K, 2] of the edges for which `chosen` [E] holds, of the faces [F, 3] that these are edges of, as the
        first of their faces passes them."""
        face, corner = np.divmod(self.order[(np.cumsum(self.n_faces) - self.n_faces)[chosen]], 3)
        return np.stack([faces[face, corner], faces[face, (corner + 1) % 3]], axis=1)

    def balance(self, weight: Floats | Bools) -> Ints:
        """Passes one way less those the other way, of each edge, faces [F] counted with a weight."""
        total = np.bincount(self.of_side, self.direction * np.repeat(weight, 3), len(self.n_faces))
        return np.rint(total).astype(np.int64)

    def balance_of(self, patch: Ints) -> Balance:
        """The same of each patch by itself, where not 0."""
        first, second = self._pairs
        settled = np.zeros(len(self.n_faces), bool)
        settled[self.of_side[first]] = (patch[first // 3] == patch[second // 3]) & (
            self.direction[first] != self.direction[second]
        )
        sides = np.flatnonzero(~settled[self.of_side])
        n = int(patch.max()) + 1
        key, inverse = np.unique(self.of_side[sides] * n + patch[sides // 3], return_inverse=True)
        excess = np.rint(np.bincount(inverse.reshape(-1), self.direction[sides], len(key))).astype(np.int64)
        edge, of_patch = np.divmod(key[excess != 0], n)
        return Balance(edge, of_patch, excess[excess != 0])

    def is_uneven_pair(self) -> Ints:
        """Faces at edges of two faces that pass them the same way."""
        first, second = self._pairs
        is_uneven = self.direction[first] == self.direction[second]
        return np.unique(np.concatenate([first[is_uneven], second[is_uneven]]) // 3)

    @property
    def _pairs(self) -> tuple[Ints, Ints]:
        """The two sides of each edge of two faces."""
        start = (np.cumsum(self.n_faces) - self.n_faces)[self.n_faces == 2]
        return self.order[start], self.order[start + 1]

    def components(self, joins: Bools) -> Ints:
        """Number of the component of each face, where faces are joined by the edges for which `joins` holds; by the
        first face of each."""
        from inr.kernels.triangles import components

        found: Ints = components(self.order, self.of_side, joins)
        return found
