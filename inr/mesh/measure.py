"""What a mesh is made of: its connected surfaces, specks among them, and the volume that they enclose."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.mesh._octree_grid import Ints, Reals
from inr.mesh._patches import parts_of
from inr.signals.solids.faces import Bools

# Marching cubes makes a closed surface around a single lattice point of one cell each way; a part that is no larger
# than this many cells along any axis says nothing about its shape.
_SPECK = 3.0

_SMALL = 0.01
"""Share of the area that all specks together may have to be left out: more of them say that the field is rough."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """n_parts: connected surfaces that point outward; n_cavities: inward. n_specks: surfaces of 3 cells or fewer along
    every axis, beside a larger one. volume: enclosed. thickness: 2 volume / area, that of a plate."""

    n_parts: int
    n_cavities: int
    n_specks: int
    volume: float
    thickness: float

    @property
    def n_components(self) -> int:
        return self.n_parts + self.n_cavities


def measure(vertices: Reals, faces: Ints, spacing: float = 0.0) -> Measured:
    """Of vertices [V, 3] and faces [F, 3], lattice cells `spacing` long; 0 for a mesh that is not from a lattice."""
    if not len(faces):
        return Measured(0, 0, 0, 0.0, 0.0)
    part = parts_of(faces)
    n = int(part.max()) + 1
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = float(np.linalg.norm(normal, axis=1).sum() / 2)
    volumes = np.bincount(part, np.einsum("nd,nd->n", a - vertices.mean(axis=0), normal) / 6, n)
    is_small = _extents(vertices, faces, part) <= _SPECK * spacing
    volume = float(volumes.sum())
    return Measured(
        n_parts=int(np.count_nonzero(volumes >= 0)),
        n_cavities=int(np.count_nonzero(volumes < 0)),
        n_specks=int(np.count_nonzero(is_small)) if not is_small.all() else max(0, n - 1),
        volume=volume,
        thickness=2 * abs(volume) / area if area > 0 else 0.0,
    )


def without_specks(vertices: Reals, faces: Ints, spacing: float) -> tuple[Bools, Bools, int]:
    """Vertices [V] and faces [F] to keep, and the number of specks that are not among them.

    Specks: connected surfaces of 3 cells of `spacing` or fewer along every axis. They are left out if all of them
    together have less than 1 % of the area; otherwise everything is kept.
    """
    of_face = parts_of(faces)
    is_speck = _extents(vertices, faces, of_face) <= _SPECK * spacing
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if area[is_speck[of_face]].sum() >= _SMALL * area.sum():
        is_speck[:] = False
    kept = np.ones(len(vertices), dtype=bool)
    kept[faces[is_speck[of_face]]] = False
    return kept, ~is_speck[of_face], int(np.count_nonzero(is_speck))


def notes_on_specks(n: int) -> tuple[str, ...]:
    """What a user is to know of n specks that were left out."""
    if not n:
        return ()
    specks = "1 speck of 3 cells or less was" if n == 1 else f"{n} specks of 3 cells or less were"
    return (f"{specks} left out; `inr mesh --keep-specks` keeps {'it' if n == 1 else 'them'}",)


def _extents(vertices: Reals, faces: Ints, part: Ints) -> Reals:
    """The largest side of the box around each connected surface, by its number `part` [F]."""
    n = int(part.max(initial=-1)) + 1
    low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    for corner in faces.T:
        np.minimum.at(low, part, vertices[corner])
        np.maximum.at(high, part, vertices[corner])
    return np.asarray((high - low).max(axis=1, initial=-np.inf))
