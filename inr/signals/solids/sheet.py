"""A surface of triangles in the unit box that need not have an inside: its unsigned distance, and points on it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import Generator

from inr.signals.solids.distances import on_faces, uniform
from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import Faces, Floats, Ints, area
from inr.signals.solids.openings import n_pieces

if TYPE_CHECKING:
    from inr.kernels.face_tree import FaceTree


class Sheet:
    """vertices [V, 3] in the unit box, faces [F, 3], which may be open, cross, meet in threes and be wound in any way.

    low, high: corners [3] of the bounding box. rim [E, 2]: the ends of its boundary, the edges with one face.
    n_forks: edges with more than two faces.
    """

    def __init__(self, vertices: Floats, faces: Faces) -> None:
        self.vertices, self.faces = np.ascontiguousarray(vertices), np.ascontiguousarray(faces)
        self.low, self.high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        edges = Edges.of(self.faces)
        self.rim = edges.ends(self.faces, edges.n_faces == 1)
        self.n_forks = int(np.count_nonzero(edges.n_faces > 2))
        self._area_so_far = np.cumsum(area(self.vertices, self.faces))

    @cached_property
    def _tree(self) -> FaceTree:
        from inr.kernels.face_tree import FaceTree

        return FaceTree(self.vertices, self.faces)

    def distance(self, x: Floats) -> Floats:
        """Exact distances [N] >= 0 at points [N, 3], in unit-box lengths."""
        found: Floats = np.sqrt(self._tree.nearest(x)[1])
        return found

    def surface(self, n: int, generator: Generator) -> Floats:
        """Points [n, 3] on the faces, uniform by area."""
        return on_faces(self.vertices, self.faces, self._area_so_far, uniform(n, 3, generator))

    def boundary(self, n: int, generator: Generator) -> Floats:
        """Points [n, 3] on the boundary, uniform by length; none if there is no boundary."""
        if not len(self.rim):
            return np.zeros((0, 3))
        start, way = self.vertices[self.rim[:, 0]], np.diff(self.vertices[self.rim], axis=1)[:, 0]
        draws = uniform(n, 2, generator)
        so_far = np.cumsum(np.linalg.norm(way, axis=1))
        edge: Ints = np.minimum(np.searchsorted(so_far, draws[:, 0] * so_far[-1], side="right"), len(so_far) - 1)
        points: Floats = start[edge] + draws[:, 1:] * way[edge]
        return points

    @property
    def n_loops(self) -> int:
        """Connected pieces of the boundary."""
        return n_pieces(self.rim)
