"""Multi-resolution dense grid and a small network.  Mueller et al. 2022, arXiv:2201.05989."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.dense_grid import DenseGridConfig
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers.standard import Xavier


@FIELDS.register("dense_grid")
@dataclass(frozen=True, kw_only=True)
class DenseGrid(Mlp):
    """Learned features on dense grids of several resolutions, read by a small ReLU network: no hashing.

    The baseline for hash grids; with the same number of parameters its finest grid is coarser.
    """

    paper: ClassVar[str] = "Mueller et al. 2022, arXiv:2201.05989 (the dense baseline)"

    encoding: EncodingConfig = param(DenseGridConfig(), "coordinates to features")
    width: int = param(32, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(1, "hidden layers", ge=0, le=1024)
    has_bias: bool = param(False, "linear maps have a bias")
    init: InitialiserConfig = param(Xavier(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        schedule = {"type": "cosine", "end": 0.1}
        return {"optimizer": adam, "steps": 850, "batch": 8192, "lr": 0.03, "schedule": schedule}
