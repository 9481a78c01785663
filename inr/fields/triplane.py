"""Features on planes and a small network.  Cardace et al. 2024 (TPP), arXiv:2310.01140."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.frequency import Frequency
from inr.encodings.planes import Planes
from inr.fields._field import FIELDS, Deviation
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig
from inr.layers.activations.sine import Sine


@FIELDS.register("triplane")
@dataclass(frozen=True, kw_only=True)
class Triplane(Mlp):
    """Learned features on the planes of axis pairs, summed, with 10 octaves of the coordinates; then 3 x 64 sines.

    Planes of 32 x 32 x 16 for shapes, which the paper is about. Octaves are sin(2^k u) and cos(2^k u), u in [-1, 1].
    """

    paper: ClassVar[str] = "Cardace et al. 2024, arXiv:2310.01140; Chan et al. 2022, arXiv:2112.07945"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={**cosine("adam", 1e-3, 2048, 8000), "lr_encoding": 1e-2},
        shape={**cosine("soap", 1e-3, 4096, 1500), "lr_encoding": 1e-2, "loss": "l1"},
        rest={"lr": 2e-3, "lr_encoding": 1e-2, "steps": 800, "batch": 8192, "schedule": "cosine"},
        record="recipes",
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "fit.loss",
            "binary cross entropy, with the output as the logit of (d + 0.1) / 0.2 for a distance d",
            "mean absolute error, with the output as the distance",
            "a field's values are its signal's, so that meshes, sections and bounds need no other map",
        ),
    )

    encoding: EncodingConfig = param(
        Planes(edge="zero", beside=Frequency(octaves=10, lowest=1.0)), "coordinates to features"
    )
    width: int = param(64, "units H per hidden layer", ge=1, le=65536)
    activation: ActivationConfig = param(Sine(), "elementwise function of the hidden layers")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """600 steps of 50,000 points, as for meshes; for voxels the paper takes 1000."""
        return {"lr": 1e-4, "steps": 600, "batch": 50_000, "schedule": "constant"}
