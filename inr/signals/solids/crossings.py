"""Faces of a mesh that cross each other."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.faces import Faces, Floats, Ints


def crossings(vertices: Floats, faces: Faces) -> tuple[Ints, Ints]:
    """Pairs of faces [K] that cross or lie on each other, beyond the corners and edges that they share."""
    from igl.predicates import find_self_intersections

    found, pairs, _ = find_self_intersections(vertices, faces, True)
    if found:
        found, pairs, _ = find_self_intersections(vertices, faces, False)
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2) if found else np.zeros((0, 2), np.int64)
    return pairs[:, 0], pairs[:, 1]
