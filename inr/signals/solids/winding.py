"""Generalised winding numbers of oriented faces.  Jacobson et al. 2013; fast sums by Barill et al. 2018, of libigl."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.faces import Faces, Floats


class Winding:
    """The winding number of faces, which for closed ones is how often they surround a point; their tree is kept."""

    def __init__(self, vertices: Floats, faces: Faces) -> None:
        import igl

        self._tree = igl.FastWindingNumberBVH()
        self._tree.init(np.ascontiguousarray(vertices), np.ascontiguousarray(faces))

    def number(self, points: Floats) -> Floats:
        """At points [N, 3]."""
        found: Floats = self._tree.winding_number(np.ascontiguousarray(points)) if len(points) else np.zeros(0)
        return found
