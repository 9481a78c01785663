"""Sinusoidal representation network.  Sitzmann et al. 2020, arXiv:2006.09661."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields._periodic import Sines, all_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.sine import Sine


@FIELDS.register("siren")
@dataclass(frozen=True, kw_only=True)
class Siren(Sines):
    """Network of sines: h' = sin(omega (W h + b)), first layer + 3 hidden of 256, linear output."""

    paper: ClassVar[str] = "Sitzmann et al. 2020, arXiv:2006.09661"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 8192, 800),
        volume=cosine("soap", 5e-4, 4096, 1500),
        sound=cosine("soap", 3e-4, 4096, 1500),
        shape=cosine("soap", 3e-4, 4096, 1500),
        record="recipes",
    )

    activation: ActivationConfig = param(Sine(), "omega = 30 in all layers")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """10,000 steps of all samples, of sounds 9001, at the paper's rate, without a schedule."""
        return all_samples(spec, 9001 if spec.traits.is_waveform else 10000, {"lr": 1e-4, "schedule": "constant"})
