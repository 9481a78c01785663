"""Triangles by their corners' numbers: areas, enclosed volume, and the vertices that they use."""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def area(vertices: Floats, faces: Faces) -> Floats:
    """Of each face; exactly 0 where the corners are on a line and rounding does not hide it."""
    from inr.kernels.triangles import areas

    found: Floats = areas(vertices, faces)
    return found


def volume(vertices: Floats, faces: Faces) -> float:
    """Signed volume that closed, outward faces enclose; of open ones, that of the cone from their middle to them."""
    from inr.kernels import triangles

    return float(triangles.volume(vertices, faces)) if len(faces) else 0.0


def used(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """The vertices that faces use, and the faces by their new numbers."""
    is_used = np.zeros(len(vertices), bool)
    is_used[faces.ravel()] = True
    if is_used.all():
        return np.ascontiguousarray(vertices), np.ascontiguousarray(faces)
    return vertices[is_used], (np.cumsum(is_used) - 1)[faces]


def ordered(faces: Faces) -> tuple[Faces, Bools]:
    """The corners of each face in rising order, and whether that is an even permutation of them (a rotation)."""
    from inr.kernels import triangles

    found: tuple[Faces, Bools] = triangles.ordered(faces)
    return found
