"""NumPy: a script that needs nothing but NumPy, and an .npz file with the numbers."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from inr._config import param
from inr.export import _evaluator
from inr.export._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.export._lowering import Coordinates, lower
from inr.fitting import Fit


@EXPORTERS.register("numpy")
@dataclass(frozen=True, kw_only=True)
class NumpyScript(Exporter):
    """A Python script and an .npz of weights beside it, which need nothing but NumPy.

    From Python `from NAME import load; values = load("NAME.npz")(points)`, from a shell
    `python NAME.py POINTS.npy VALUES.npy`. The script is the definition of the op list that every exporter starts from.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".py",)

    coordinates: Coordinates = param("unit", "what points are given in: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        rows, arrays = lower(fit, self.coordinates).document()
        document = {"about": provenance(fit), "coordinates": self.coordinates, "ops": rows}
        file = io.BytesIO()
        np.savez(file, program=np.array(json.dumps(document, sort_keys=True)), **arrays)  # type: ignore[arg-type]  # a name could be its flag
        source = Path(_evaluator.__file__).read_bytes()
        return Exported({".py": source, ".npz": file.getvalue()})
