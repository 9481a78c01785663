"""What exporters of distance grids share: the settings of the lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from inr.core.config import param
from inr.exporters._exporter import Exporter
from inr.fitting import Fit
from inr.mesh.fit_distance import FitDistance
from inr.mesh.narrow_band import NodeLattice, check_dense, dense_distances, narrow_band


@dataclass(frozen=True, kw_only=True)
class GridExporter(Exporter):
    """Distances on the nodes of a lattice that starts at the low corner of the box.

    cells: along the longest side of the box, if no `voxel` is given.
    """

    cells: ClassVar[int] = 128

    voxel: float | None = param(None, "spacing of the lattice in mesh units; none: a part of the longest side", gt=0)
    half: bool = param(False, "16 instead of 32 bits per value")

    def lattice(self, distance: FitDistance) -> NodeLattice:
        """The lattice over the box of a fit."""
        spacing = distance.side / self.cells if self.voxel is None else self.voxel
        return NodeLattice.over(distance.low, distance.high, spacing)


@dataclass(frozen=True, kw_only=True)
class DenseGridExporter(GridExporter):
    """A value at every node."""

    band: float | None = param(
        None, "distances beyond this many voxels are cut to it, which is faster; none: all distances", ge=1, le=1000
    )

    def values(self, fit: Fit) -> tuple[NodeLattice, np.ndarray[Any, np.dtype[Any]]]:
        """The lattice, and values [nx, ny, nz] in mesh units, float16 or float32."""
        distance = FitDistance(fit)
        lattice = self.lattice(distance)
        if self.band is None:
            found = dense_distances(distance, lattice)
        else:
            check_dense(lattice)
            width = self.band * lattice.spacing
            found = narrow_band(distance, lattice, width, lipschitz=distance.lipschitz).dense(distance)
        return lattice, found.astype(np.float16) if self.half else found
