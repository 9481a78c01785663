"""Network of damped sines.  Shah and Sitawarin 2024 (SPDER, ICLR), arXiv:2306.15242."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._periodic import Sines, all_samples
from inr.fields._recipe import EIKONAL, BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.spder import Spder as SpderActivationConfig


@FIELDS.register("spder")
@dataclass(frozen=True, kw_only=True)
class Spder(Sines):
    """Network of damped sines: h' = sin(u) sqrt|u|, u = omega (W h + b), first layer + 5 hidden of 256."""

    paper: ClassVar[str] = "Shah and Sitawarin 2024, arXiv:2306.15242"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("adam", 1e-4, 4096, 1000),
        sound=cosine("soap", 3e-4, 4096, 1500),
        shape={**cosine("soap", 1e-3, 4096, 1200), "loss": "l1"},
        surface=EIKONAL,
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.omega",
            "30",
            "10 for distances",
            "a torus gets IoU .97 in 120 steps with it, .04 with the paper's (record shape-frequencies)",
            for_distances=30,
        ),
    )

    depth: int = param(6, "layers before the last linear map: the first and 5 hidden", ge=1, le=1024)
    activation: ActivationConfig = param(
        SpderActivationConfig(), "omega = 30, distances: 10; sound: arctan instead of the root"
    )

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Steps of all samples without a schedule: 500 at 1e-4, for sound 5001 at 5e-5."""
        return all_samples(spec, 5001 if spec.traits.is_waveform else 500, self._rate(spec))

    @staticmethod
    def _rate(spec: Spec) -> Mapping[str, Any]:
        return {"lr": 5e-5 if spec.traits.is_waveform else 1e-4, "schedule": "constant"}
