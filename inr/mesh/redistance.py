"""From a field whose zero set is right to one whose values are distances too: mesh it, and measure from the mesh."""

from __future__ import annotations

import numpy as np

from inr.core.errors import EmptyError
from inr.fitting import Fit
from inr.mesh.extract import MeshResult
from inr.mesh.fitted_surface import mesh_of_fit
from inr.signals.shape import Shape
from inr.signals.solids.resized import Resized


def redistanced(fit: Fit, resolution: int | None = None) -> tuple[Shape, MeshResult]:
    """A signal with the exact distances to the surface of a fit, in the fit's box; and the mesh of the surface.

    The surface is that of the mesh, so it is off by what a mesh of this resolution is: about h^2 / 8 times the
    curvature for cells of size h, and edges are cut within a cell. The metadata states the free space (`margin`)
    around the surface. Raises EmptyError if there is no surface.
    """
    mesh = mesh_of_fit(fit, resolution)
    if mesh.outcome == "empty":
        raise EmptyError("the result is empty: the field has no zero in its box", "look at its parts one by one")
    shape = Shape.of_mesh(mesh.vertices, mesh.faces, name=fit.source or "mesh")
    own, box = shape.frame.domain, fit.frame.domain
    side = box.extent[0]
    start = (np.array(own.low) - np.array(box.low)) / side
    solid = Resized(shape.solid, own.extent[0] / side, start)
    free = float(np.minimum(solid.low, 1 - solid.high).min()) * side
    meta = {"side": side, "margin": max(0.0, free), "thickness": shape.meta["thickness"], "sign": shape.meta["sign"]}
    return Shape(solid, fit.frame, meta, shape.notes, shape.n_points), mesh
