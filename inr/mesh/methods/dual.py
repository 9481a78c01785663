"""Manifold dual contouring: a vertex in every crossed cell, where planes at its crossings meet. Keeps sharp edges."""

from __future__ import annotations

from inr.mesh._octree_grid import OctreeGrid, PointEvaluator
from inr.mesh.march import Cells
from inr.mesh.methods._dual import contoured
from inr.mesh.methods._method import METHODS, Triangulation


@METHODS.register("dual")
def dual(cells: Cells, lattice: OctreeGrid, sample: PointEvaluator, project_steps: int) -> Triangulation:
    """Sources: Ju, Losasso, Schaefer, Warren 2002, doi:10.1145/566654.566586; Schaefer, Ju, Warren 2007,
    doi:10.1109/TVCG.2007.1012."""
    return contoured(cells, lattice, sample, project_steps, is_sharp=True)
