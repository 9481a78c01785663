"""NPY: distances at all nodes of a lattice, with a JSON file that says where the nodes are."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.exporters._exporter import EXPORTERS, Exported, provenance
from inr.exporters._grid import DenseGridExporter
from inr.fitting import Fit


@EXPORTERS.register("npy")
@dataclass(frozen=True, kw_only=True)
class NpyGrid(DenseGridExporter):
    """Distances as an array [nx, ny, nz], z fastest, and a JSON file with its place: for PhysX, Unity, NumPy.

    Node (i, j, k) lies at lower + spacing (i, j, k). PhysX (PxSDFDesc) takes dims, lower and spacing as they are, and
    x fastest: `array.transpose(2, 1, 0)`. Unity wants distances divided by the longest side, `unity_scale`.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)

    def encode(self, fit: Fit, suffix: str) -> Exported:
        lattice, values = self.values(fit)
        file = io.BytesIO()
        np.save(file, values, allow_pickle=False)
        longest = (max(lattice.shape) - 1) * lattice.spacing
        about = {
            "about": provenance(fit),
            "dims": list(lattice.shape),
            "lower": list(lattice.origin),
            "spacing": lattice.spacing,
            "upper": [o + lattice.spacing * (n - 1) for o, n in zip(lattice.origin, lattice.shape, strict=True)],
            "order": "values[i, j, k] is the distance at lower + spacing * (i, j, k); k is fastest",
            "unit": fit.frame.domain.unit,
            "inside": "negative",
            "dtype": str(values.dtype),
            "band": None if self.band is None else self.band * lattice.spacing,
            "unity_scale": 1 / longest,
        }
        return Exported({suffix: file.getvalue(), ".json": json.dumps(about, indent=2).encode() + b"\n"})
