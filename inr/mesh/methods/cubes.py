"""Marching cubes: a vertex on every crossed lattice edge. Edges of the shape are cut off within a cell."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import OctreeGrid, PointEvaluator
from inr.mesh.march import Cells, march
from inr.mesh.methods._method import METHODS, Triangulation
from inr.mesh.project import project


@METHODS.register("cubes")
def cubes(cells: Cells, lattice: OctreeGrid, sample: PointEvaluator, project_steps: int) -> Triangulation:
    """Sources: Lewiner et al. 2003, doi:10.1080/10867651.2003.10487582; then Newton steps onto the level set."""
    soup = march(cells, lattice)
    if soup.capped.all():
        return Triangulation(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), dtype=np.int64), False)
    vertices, normals = project(soup, sample, spacing=lattice.spacing, steps=project_steps)
    return Triangulation(vertices, normals, soup.faces, bool(soup.capped.any()))
