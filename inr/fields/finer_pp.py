"""Gaussians with variable period.  Zhu et al. 2024 (FINER++), arXiv:2407.19434."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._periodic import Periodic, all_samples
from inr.fields._recipe import EIKONAL, BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.finer_gauss import FinerGauss

SMALLER = "with both smaller, a torus gets IoU .995 in 120 steps, .32 with the paper's (record shape-frequencies)"


@FIELDS.register("finer_pp")
@dataclass(frozen=True, kw_only=True)
class FinerPlusPlus(Periodic):
    """Gaussians with variable period: h' = exp(-(s sin(w (|z| + 1) z))^2), z = W h + b, first layer + 3 hidden of 256.

    Biases of the first layer start in +-1. FINER++ has two more variants: the sine (`finer`), and the wavelet, `wire`
    of depth 4 with `activation.warp=5 activation.omega=4 activation.scale=2 activation.first_bias=1` at rate 1e-3.
    Coordinates of sound are in +-6, which is ours (record sound-frequencies).
    """

    paper: ClassVar[str] = "Zhu et al. 2024, arXiv:2407.19434"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 4096, 1000),
        sound=cosine("soap", 1e-3, 4096, 1500),
        shape={**cosine("soap", 1e-3, 4096, 1200), "loss": "l1"},
        rest={"lr": 1e-3, "schedule": "exponential", "batch": 16384, "steps": 1000},
        surface=EIKONAL,
        record="recipes",
        searched="siren",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.scale",
            "3",
            "1 for distances",
            SMALLER,
            for_distances=3,
        ),
        Deviation(
            "field.activation.warp",
            "10",
            "5 for distances",
            SMALLER,
            for_distances=10,
        ),
    )

    sound_range: ClassVar[float | None] = 6.0

    activation: ActivationConfig = param(
        FinerGauss(), "the authors' s = 3, w = 10, first biases in +-1; distances: s = 1, w = 5"
    )

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """5000 steps of all samples at the authors' rate, which falls tenfold."""
        return all_samples(spec, 5000, {"lr": 1e-3, "schedule": "exponential"})
