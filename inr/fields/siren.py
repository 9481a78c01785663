"""Sinusoidal representation network.  Sitzmann et al. 2020, arXiv:2006.09661."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._periodic import Sines, all_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.sine import Sine

FASTEST, PIXELS = 3.0, 256
"""The largest `omega_first` of pictures as a multiple of omega, and the longest side from which on they have it."""


@FIELDS.register("siren")
@dataclass(frozen=True, kw_only=True)
class Siren(Sines):
    """Network of sines: h' = sin(omega (W h + b)), first layer + 3 hidden of 256, linear output.

    Pictures need a faster first layer than the others to be learned in a minute. Of those whose longest side has n
    pixels, omega_first is omega min(3, max(1, 3 n / 256)): 30 up to 85 pixels, 90 from 256 on.
    """

    paper: ClassVar[str] = "Sitzmann et al. 2020, arXiv:2006.09661"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 8192, 800),
        volume=cosine("soap", 5e-4, 4096, 1500),
        sound=cosine("soap", 3e-4, 4096, 1500),
        shape=cosine("soap", 3e-4, 4096, 1500),
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.omega_first",
            "30",
            "90 for pictures from 256 pixels on",
            "a picture gets 44.0 dB in 20 s with it, 38.6 with 30 (record frequencies-siren)",
            for_pictures=30,
        ),
    )

    activation: ActivationConfig = param(Sine(), "omega = 30; pictures have a faster first layer")

    def first_factor(self, spec: Spec) -> float:
        if not spec.traits.is_picture or not isinstance(self.activation, Sine):
            return super().first_factor(spec)
        assert spec.shape is not None
        return min(FASTEST, max(1.0, FASTEST * max(spec.shape) / PIXELS))

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """10,000 steps of all samples, of sounds 9001, at the paper's rate, without a schedule."""
        return all_samples(spec, 9001 if spec.traits.is_waveform else 10000, {"lr": 1e-4, "schedule": "constant"})
