"""Features on planes and a small network.  Cardace et al. 2024 (TPP), arXiv:2310.01140."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.frequency import Frequency
from inr.encodings.planes import Planes
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp


@FIELDS.register("triplane")
@dataclass(frozen=True, kw_only=True)
class Triplane(Mlp):
    """Learned features on the planes of axis pairs, summed, with octave frequencies; then 3 x 64 ReLU."""

    paper: ClassVar[str] = "Cardace et al. 2024, arXiv:2310.01140; Chan et al. 2022, arXiv:2112.07945"

    encoding: EncodingConfig = param(Planes(beside=Frequency()), "coordinates to features")
    width: int = param(64, "units H per hidden layer", ge=1, le=65536)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Higher rates than the paper's 1e-4, with batches of 8192 instead of 50000."""
        return {"lr": 2e-3, "lr_encoding": 1e-2, "steps": 800, "batch": 8192, "schedule": "cosine"}
