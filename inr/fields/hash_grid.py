"""Multi-resolution hash grid with a small network behind it.  Mueller et al. 2022, arXiv:2201.05989."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr._config import param
from inr._domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers import Xavier

LATTICE: Mapping[str, Any] = {
    "steps": 550,
    "batch": 16384,
    "lr": 0.03,
    "schedule": {"type": "cosine", "end": 0.1},
}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "audio": {**LATTICE, "steps": 2000, "batch": 8192},
    "shape": {"steps": 500, "batch": 32768, "lr": 0.005, "schedule": {"type": "cosine", "end": 0.01}},
}


@FIELDS.register("hash_grid")
@dataclass(frozen=True, kw_only=True)
class HashGrid(Mlp):
    """Learned features on hashed grids of many resolutions, read by a small ReLU network without biases.

    The paper's network has 2 layers of 64 and its grid 16 levels; one layer of 32 and the levels chosen by the encoding
    are the cheaper step on a CPU; `--set` brings the paper's back.
    """

    paper: ClassVar[str] = "Mueller et al. 2022, arXiv:2201.05989"

    encoding: EncodingConfig = param(HashGridEncodingConfig(), "coordinates to features")
    width: int = param(32, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(1, "hidden layers", ge=0, le=1024)
    has_bias: bool = param(False, "linear maps have a bias (tiny-cuda-nn's have none)")
    init: InitialiserConfig = param(Xavier(), "how linear maps start")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        return {"optimizer": adam, **RECIPES.get(spec.kind, LATTICE)}
