"""Random Fourier features, and layers modulated by the coordinate.  Lee et al. 2024, arXiv:2311.14993."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.random_fourier import RandomFourier
from inr.fields._field import FIELDS, Deviation
from inr.fields._full_batch import n_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import BlockConfig, HeadConfig
from inr.layers.blocks.modulated import Modulated
from inr.layers.heads.standard import SigmoidHeadConfig


@FIELDS.register("cam")
@dataclass(frozen=True, kw_only=True)
class Cam(Mlp):
    """Coordinate-aware modulation: every layer is normalised, then scaled and shifted by small grids.

    256 random frequencies of sigma 10, 3 x 256 ReLU, 32 x 32 grids, a sigmoid. The block works in any network:
    `field=siren`, `field.block=modulated`, `field.block.has_norm=false`, `fit.lr_encoding=1e-3`.
    """

    paper: ClassVar[str] = "Lee et al. 2024, arXiv:2311.14993"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={**cosine("soap", 3e-3, 4096, 800), "lr_encoding": 1e-2},
        sound={**cosine("soap", 3e-3, 4096, 800), "lr_encoding": 1e-2},
        shape={**cosine("soap", 1e-3, 4096, 800), "loss": "l1", "lr_encoding": 1e-2},
        rest={**cosine("adam", 1e-3, 8192, 500), "lr_encoding": 1e-2},
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding.sigma",
            "10, for pictures",
            "1 for distances",
            "a torus gets IoU .98 in 120 steps with it, .14 with the paper's (record shape-frequencies)",
            for_distances=10,
        ),
    )

    encoding: EncodingConfig = param(RandomFourier(), "coordinates to features")
    block: BlockConfig = param(Modulated(), "structure of a layer", was="cell")
    head: HeadConfig = param(SigmoidHeadConfig(), "last features to values")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """2000 steps of all samples, at a tenth of the rates after 1000 and again after 1500."""
        rates = {"lr": 1e-3, "lr_encoding": 1e-2, "schedule": {"type": "step", "at": [0.5, 0.75], "decay": 0.1}}
        return {**rates, "steps": 2000, "batch": n_samples(spec)}
