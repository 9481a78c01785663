"""Multi-resolution dense grid and a small network.  Mueller et al. 2022, arXiv:2201.05989."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.dense_grid import DenseGridConfig
from inr.fields._field import FIELDS, Deviation
from inr.fields._instant_ngp import papers
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

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding.levels",
            "8 levels of 2 features, each 1.4 times as fine as the one before",
            "4 levels of 4 features, each twice as fine",
            "these are as many features from half as many lookups",
        ),
        Deviation("field.encoding.features", "2", "4", "there are half as many levels"),
        Deviation(
            "field.encoding.growth", "(173 / 16)^(1 / 7), from 16 to 173 vertices", "2", "there are fewer levels"
        ),
        Deviation("field.width", "64", "32", "it is faster on a CPU, as for `hash_grid`"),
        Deviation("field.depth", "2", "1", "it is faster on a CPU, as for `hash_grid`"),
        Deviation(
            "initial.body.last.weight",
            "uniform for 16 outputs, because tiny-cuda-nn pads them",
            "uniform for the outputs that there are",
            "nothing is padded",
        ),
    )

    encoding: EncodingConfig = param(DenseGridConfig(), "coordinates to features")
    width: int = param(32, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(1, "hidden layers", ge=0, le=1024)
    has_bias: bool = param(False, "linear maps have a bias")
    init: InitialiserConfig = param(Xavier(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        schedule = {"type": "cosine", "end": 0.1}
        return {"optimizer": adam, "steps": 850, "batch": 8192, "lr": 0.03, "schedule": schedule}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Instant-NGP's, as for `hash_grid`: 35,000 steps on lattices, 20,000 for distances."""
        return papers(spec)
