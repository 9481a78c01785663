"""The slot of triangulation methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from inr.core.registry import Registry
from inr.mesh._octree_grid import Ints, OctreeGrid, PointEvaluator, Reals
from inr.mesh.march import Cells


@dataclasses.dataclass(frozen=True)
class Triangulation:
    """A closed mesh of a level set in the unit box.

    vertices [V, 3]; normals [V, 3], unit length, outward; faces [F, 3], counter-clockwise as seen from outside;
    is_clipped: the shape was closed on walls of the box.
    """

    vertices: Reals
    normals: Reals
    faces: Ints
    is_clipped: bool


Method = Callable[[Cells, OctreeGrid, PointEvaluator, int], Triangulation]
"""(every crossed cell, in any order; the lattice; the field minus its level; Newton steps of smooth vertices) -> mesh.
No faces where the shape has no points inside the box."""

METHODS: Registry[Method] = Registry("mesh method", "inr.mesh.methods")
