"""ReLU network on octave features.  Mildenhall et al. 2020 (NeRF), arXiv:2003.08934."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers.standard import Kaiming


@FIELDS.register("relu_pe")
@dataclass(frozen=True, kw_only=True)
class ReluPe(Mlp):
    """ReLU network on octaves of sines and cosines, 4 layers of 256, the baseline of SIREN's and FINER's papers.

    It is `mlp` with SIREN's depth and Kaiming initialisation, as in SIREN's baseline.
    """

    paper: ClassVar[str] = "Mildenhall et al. 2020, arXiv:2003.08934"

    depth: int = param(4, "layers before the last linear map", ge=0, le=1024)
    init: InitialiserConfig = param(Kaiming(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """FINER's rate for it, decaying tenfold."""
        return {"lr": 1e-3, "steps": 1000, "schedule": "exponential"}
