"""Meshes: the surface of a fitted shape, optionally with the colours of another fit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.core.errors import EmptyError
from inr.exporters._exporter import EXPORTERS, Exported, Exporter
from inr.fitting import Fit
from inr.mesh import MAX_RESOLUTION, Mesh, coloured, mesh_of_fit, save_mesh


@EXPORTERS.register("mesh")
@dataclass(frozen=True, kw_only=True)
class MeshExporter(Exporter):
    """The level set of a shape as triangles in its units, with colours from a second model if one is given."""

    suffixes: ClassVar[tuple[str, ...]] = (".ply", ".obj", ".glb", ".stl", ".3mf")

    resolution: int | None = param(
        None, "lattice cells along each side of the box; none: 256, more for thin shapes", ge=4, le=MAX_RESOLUTION
    )
    level: float = param(0.0, "distance of the surface, in mesh units; negative is inside")
    method: str = param("cubes", "cubes (marching cubes), dual (keeps sharp edges) or nets (even triangles)")
    colors: str | None = param(None, "model file of a field from 3 coordinates to 1, 3 or 4 values in [0, 1]")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        other = None if self.colors is None else Fit.load(self.colors)
        found = mesh_of_fit(fit, self.resolution, level=self.level, method=self.method)
        if found.outcome == "empty":
            low, high = found.value_range
            raise EmptyError(
                f"the field never crosses level {self.level:g}; its values range from {low:.4g} to {high:.4g}",
                "give a level in that range, or fit longer",
            )
        mesh: Mesh = found if other is None else coloured(found, fit, other)
        file = io.BytesIO()
        notes = save_mesh(mesh, file, suffix)
        return Exported({suffix: file.getvalue()}, (*notes, *found.notes))
