"""NumPy: a script that needs only NumPy, and an .npz file with the weights."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from inr.core.config import param
from inr.exporters import evaluator
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.exporters._lowering import Coordinates, lower
from inr.fitting import Fit


@EXPORTERS.register("numpy")
@dataclass(frozen=True, kw_only=True)
class NumpyScript(Exporter):
    """A Python script and an .npz of weights beside it; needs only NumPy.

    From Python `from NAME import load; values = load("NAME.npz")(points)`, from a shell
    `python NAME.py POINTS.npy VALUES.npy`. Points are float32, with coordinates=signal float64. The script
    defines the op list that exporters use.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".py",)

    coordinates: Coordinates = param("unit", "units of points: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        rows, arrays = lower(fit, self.coordinates).document()
        document = {"about": provenance(fit), "coordinates": self.coordinates, "ops": rows}
        file = io.BytesIO()
        np.savez(file, program=np.array(json.dumps(document, sort_keys=True)), **arrays)  # type: ignore[arg-type]  # a name could be its flag
        source = Path(evaluator.__file__).read_bytes()
        return Exported({".py": source, ".npz": file.getvalue()})
