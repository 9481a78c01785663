"""Surface nets: a vertex in every crossed cell, at the mean of its crossings. Well-shaped triangles, rounded edges."""

from __future__ import annotations

from inr.mesh._octree_grid import OctreeGrid, PointEvaluator
from inr.mesh.march import Cells
from inr.mesh.methods._dual import contoured
from inr.mesh.methods._method import METHODS, Triangulation


@METHODS.register("nets")
def nets(cells: Cells, lattice: OctreeGrid, sample: PointEvaluator, project_steps: int) -> Triangulation:
    """Source: Gibson 1998, doi:10.1007/BFb0056277; split into manifold parts as by `dual`."""
    return contoured(cells, lattice, sample, project_steps, is_sharp=False)
