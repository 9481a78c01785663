"""The model file itself, or that of the field with plain dense layers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from inr._config import param
from inr.export._exporter import EXPORTERS, Exported, Exporter
from inr.fitting import Fit


@EXPORTERS.register("safetensors")
@dataclass(frozen=True, kw_only=True)
class Safetensors(Exporter):
    """The model file: named tensors and one JSON document, which any tool for safetensors opens."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)

    fold: bool = param(False, "write reparameterised layers as the plain dense layers that they act as")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        if self.fold:
            fit = dataclasses.replace(fit, field=fit.field.fold())
        return Exported({suffix: fit.to_bytes()})
