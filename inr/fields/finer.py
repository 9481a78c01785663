"""Sines with variable period.  Liu et al. 2024 (FINER, CVPR), arXiv:2312.02434."""

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
from inr.layers.activations.finer import Finer as FinerActivationConfig


@FIELDS.register("finer")
@dataclass(frozen=True, kw_only=True)
class Finer(Sines):
    """Sines with variable period: h' = sin(omega (|z| + 1) z), z = W h + b, first layer + 3 hidden of 256.

    Biases of the first layer in +-k (`activation.first_bias`) select the band; the authors' picture script keeps
    torch's default, and the paper explores k up to about 20. Its authors have no script for sound; the range of its
    coordinates is ours: the factor |z| + 1 squares it, to about the frequencies of SIREN's.
    """

    paper: ClassVar[str] = "Liu et al. 2024, arXiv:2312.02434"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 8192, 600),
        volume=cosine("soap", 5e-4, 4096, 1200),
        sound=cosine("soap", 3e-4, 4096, 1500),
        shape={**cosine("soap", 3e-4, 4096, 1200), "loss": "l1"},
        record="recipes",
        searched="siren",
    )
    sound_range: ClassVar[float | None] = 10.0

    activation: ActivationConfig = param(FinerActivationConfig(), "omega = 30 in all layers")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """5000 steps of all samples at the paper's rate, which falls tenfold."""
        return all_samples(spec, 5000, {"lr": 5e-4, "schedule": "exponential"})
