"""ReLU network on octave features.  Mildenhall et al. 2020 (NeRF), arXiv:2003.08934."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._full_batch import n_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers.standard import Kaiming


@FIELDS.register("relu_pe")
@dataclass(frozen=True, kw_only=True)
class ReluPe(Mlp):
    """ReLU network on octaves of sines and cosines, 4 layers of 256: the baseline of SIREN's paper.

    It is `mlp` with SIREN's depth and Kaiming's normal weights. The baseline of FINER's paper has 10 octaves 2^k
    without pi for every signal, and torch's initialisation.
    """

    paper: ClassVar[str] = "Mildenhall et al. 2020, arXiv:2003.08934"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1500),
        sound=cosine("soap", 3e-3, 4096, 1500),
        shape={**cosine("soap", 3e-3, 4096, 1500), "loss": "l1"},
        rest={"lr": 1e-3, "steps": 1000, "schedule": "exponential"},
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding.octaves",
            "10 in SIREN's code",
            "6 for distances",
            "a torus gets IoU .64 in 120 steps with it, .51 with 10 (record shape-frequencies)",
            for_distances=10,
        ),
    )

    depth: int = param(4, "layers before the last linear map", ge=0, le=1024)
    init: InitialiserConfig = param(Kaiming(distribution="normal"), "initialiser of the linear maps")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """10,000 steps of all samples at SIREN's rate, without a schedule."""
        return {"lr": 1e-4, "steps": 10000, "schedule": "constant", "batch": n_samples(spec)}
