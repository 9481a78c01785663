"""The model file, optionally with reparameterised layers folded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.exporters._exporter import EXPORTERS, Exported, Exporter
from inr.fitting import Fit


@EXPORTERS.register("safetensors")
@dataclass(frozen=True, kw_only=True)
class Safetensors(Exporter):
    """The model file: named tensors and one JSON document, readable by any safetensors tool."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)

    fold: bool = param(False, "fold reparameterised layers into equal dense layers")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        if self.fold:
            fit = dataclasses.replace(fit, field=fit.field.fold())
        return Exported({suffix: fit.to_bytes()})
