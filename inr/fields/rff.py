"""ReLU network on random Fourier features.  Tancik et al. 2020, arXiv:2006.10739."""

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
from inr.layers import HeadConfig, InitialiserConfig
from inr.layers.heads.standard import SigmoidHeadConfig
from inr.layers.initialisers.standard import GlorotNormal


@FIELDS.register("rff")
@dataclass(frozen=True, kw_only=True)
class Rff(Mlp):
    """ReLU network on random Fourier features, 3 hidden layers of 256, and a sigmoid.

    sigma 10 is the paper's for natural pictures, 14 for pictures of text. Signed distances lie well inside the head's
    range.
    """

    paper: ClassVar[str] = "Tancik et al. 2020, arXiv:2006.10739"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1200),
        shape={**cosine("soap", 3e-3, 4096, 1200), "loss": "l1"},
        sound=cosine("soap", 3e-3, 4096, 1000),
        rest={"lr": 1e-3, "steps": 1000, "schedule": "constant"},
        record="recipes",
        searched="relu_pe",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding.sigma",
            "10, for pictures",
            "1 for distances",
            "a torus gets IoU .98 in 120 steps with it, .11 with the paper's (record shape-frequencies)",
            for_distances=10,
        ),
    )

    encoding: EncodingConfig = param(RandomFourier(), "sigma 10, distances: 1, sound: samples / 80; 256 frequencies")
    head: HeadConfig = param(SigmoidHeadConfig(), "last features to values")
    init: InitialiserConfig = param(GlorotNormal(), "initialiser of the linear maps")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """2000 steps of all samples. Adam ignores the factor 1/2 of the paper's loss."""
        return {"lr": 1e-3, "steps": 2000, "schedule": "constant", "batch": n_samples(spec)}
