"""B-spline wavelets of ReLUs.  Shenouda, Zhou and Nowak 2024 (BW-ReLU), arXiv:2406.02529."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._limits import Limits
from inr.fields._periodic import Periodic, all_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.bspline_wavelet import BsplineWavelet


@FIELDS.register("bw_relu")
@dataclass(frozen=True, kw_only=True)
class BwRelu(Periodic):
    """Quadratic B-spline wavelets made of ReLUs: h' = psi(c (W h + b)), 3 layers of 300, linear output."""

    paper: ClassVar[str] = "Shenouda, Zhou and Nowak 2024, arXiv:2406.02529"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "With the published initialisation half of its units are 0 at the start and the others nearly flat, so a "
            "picture is learned slowly."
        ),
        sound=(
            "A unit is 0 outside 3 / c = 1/3 of its input, and half of the units are 0 at the start; the waves of a "
            "sound are thousands of times shorter than the clip."
        ),
        purpose="It is here for its theory, functions of bounded second variation, and for small smooth problems.",
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={"lr": 3e-3, "schedule": "exponential", "batch": 16384, "steps": 1000},
        shape={**cosine("soap", 1e-3, 4096, 1000), "loss": "l1"},
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.scale",
            "9 to represent signals, 3 for inverse problems",
            "3 for distances",
            "a torus gets IoU .77 in 120 steps with it, .08 with the paper's (record shape-frequencies)",
            for_distances=9,
        ),
    )

    width: int = param(300, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(3, "layers before the last linear map", ge=1, le=1024)
    activation: ActivationConfig = param(BsplineWavelet(), "c = 9, distances: 3")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """1000 steps of all samples at the rate of the authors' signal representation, which falls tenfold."""
        return all_samples(spec, 1000, {"lr": 3e-3, "schedule": "exponential"})
