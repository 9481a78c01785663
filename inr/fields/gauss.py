"""Network of Gaussians.  Ramasinghe and Lucey 2022 (Beyond Periodicity), arXiv:2111.15135."""

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
from inr.layers.activations.gauss import Gauss as GaussActivationConfig


@FIELDS.register("gauss")
@dataclass(frozen=True, kw_only=True)
class Gauss(Periodic):
    """Network of Gaussians: h' = exp(-(s (W h + b))^2), first layer + 3 hidden of 256, linear output.

    Size and paper's training of pictures are those of FINER's comparison, s is that of WIRE's.
    """

    paper: ClassVar[str] = "Ramasinghe and Lucey 2022, arXiv:2111.15135"
    limits: ClassVar[Limits] = Limits(
        sound=(
            "A Gaussian is one bump: each of 256 units of the first layer covers one place of the clip, and a sound "
            "has thousands of waves."
        ),
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.scale",
            "30 in FINER's comparison, 10 in WIRE's",
            "10",
            "a picture gets 30.3 dB in 20 s with it, 18.6 with 30 (record frequencies)",
        ),
        Deviation(
            "field.activation.scale",
            "10",
            "3 for distances",
            "a torus gets IoU .995 in 120 steps with it, .25 with the paper's (record shape-frequencies)",
            for_distances=10,
        ),
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 4096, 1200),
        shape={**cosine("soap", 1e-3, 4096, 1200), "loss": "l1"},
        record="recipes",
    )

    activation: ActivationConfig = param(GaussActivationConfig(), "s = 10, distances: 3")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """FINER's comparison: 5000 steps of all samples at a rate that falls tenfold."""
        return all_samples(spec, 5000, {"lr": 5e-3, "schedule": "exponential"})
