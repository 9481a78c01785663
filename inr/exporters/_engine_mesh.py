"""What exporters of meshes for physics engines share: a closed mesh of the surface at a voxel size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from inr.core.config import param
from inr.core.errors import EmptyError, UsageError
from inr.exporters._exporter import Exporter
from inr.fitting import Fit
from inr.mesh import MAX_RESOLUTION, MeshResult, mesh_of_fit
from inr.mesh.fit_distance import FitDistance


@dataclass(frozen=True, kw_only=True)
class EngineMeshExporter(Exporter):
    """The surface as triangles, from a lattice of a voxel size.

    cells: along the longest side of the box, if no `voxel` is given.
    """

    cells: ClassVar[int] = 128

    voxel: float | None = param(None, "size of a lattice cell in mesh units; none: a part of the longest side", gt=0)

    def surface(self, fit: Fit) -> tuple[MeshResult, float]:
        """The mesh, and the size of a cell. Raises EmptyError if there is none, UsageError for a voxel out of range."""
        side = FitDistance(fit, f"format {self.type_name}").side
        n = self.cells if self.voxel is None else math.ceil(side / self.voxel * (1 - 1e-12))
        if not 4 <= n <= MAX_RESOLUTION:
            raise UsageError(
                f"`voxel={self.voxel:g}` gives {n} cells along the box of {side:.4g}, expected 4 to {MAX_RESOLUTION}",
                "use a " + ("smaller" if n < 4 else "larger") + " `voxel`",
            )
        mesh = mesh_of_fit(fit, n)
        if mesh.outcome == "empty":
            raise EmptyError("the field has no zero in its box, so there is no surface", "fit longer")
        return mesh, side / n


def rows(values: np.ndarray[Any, np.dtype[Any]], form: str) -> list[str]:
    """One text per row of numbers."""
    return [" ".join(form % v for v in row) for row in values.tolist()]
