"""Triangles from a file, checked and cleaned: what every kind of signal that is given by a mesh starts with."""

from __future__ import annotations

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals._distance import check_span
from inr.signals.solids.faces import Faces, Floats
from inr.signals.solids.orient import Cleaned, clean


def cleaned(vertices: Floats, faces: Faces, what: str) -> Cleaned:
    """The mesh of vertices [V, 3] and faces [F, 3] with equal vertices merged and without faces of zero area.

    what: the signal in messages. Raises UnreadableError without faces, for vertices that are not finite, missing or all
    in one place, and if all faces have zero area.
    """
    if len(faces) == 0:
        raise UnreadableError(f"{what} has no faces")
    if not np.isfinite(vertices).all():
        raise UnreadableError(f"{what} has NaN or infinite vertices")
    if not np.ptp(vertices, axis=0).any():
        raise UnreadableError(f"{what} has only faces of zero area: it spans 0 units")
    check_span(vertices, what)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise UnreadableError(f"{what} has faces with indices of missing vertices")
    mesh = clean(np.asarray(vertices, np.float64), np.asarray(faces, np.int64))
    if len(mesh.faces) == 0:
        raise UnreadableError(f"{what} has only faces of zero area")
    return mesh
