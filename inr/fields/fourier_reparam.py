"""SIREN with Fourier-reparameterised hidden layers.

Shi, Zhou and Gu 2024, Improved Implicit Neural Representation with Fourier Reparameterized Training (CVPR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields._limits import Limits
from inr.fields._periodic import Sines, all_samples, lattice_or_points
from inr.layers import ActivationConfig, LinearConfig
from inr.layers.activations.sine import Sine
from inr.layers.linear.fourier_reparam import FourierReparam


@FIELDS.register("fourier_reparam")
@dataclass(frozen=True, kw_only=True)
class FourierReparamSiren(Sines):
    """SIREN whose hidden matrices are trained as coefficients on a fixed cosine basis, W = Lambda B.

    Any other family can use the same layers (`field.linear=fourier_reparam`). The paper's gain is largest for ReLU
    networks on octave frequencies (`mlp`). Training holds 2.1 million coefficients per hidden layer of 256;
    `Field.fold` gives the plain SIREN of the same values.
    """

    paper: ClassVar[str] = "Shi et al. 2024, CVPR, Fourier Reparameterized Training"
    limits: ClassVar[Limits] = Limits(
        purpose=(
            "It is here to compare its training with SIREN's: a layer has 32 times as many coefficients as the plain "
            "layer that it becomes afterwards (`Field.fold`), so at equal parameters it is narrow."
        ),
    )

    linear: LinearConfig = param(FourierReparam(), "parameterisation of the matrices")
    activation: ActivationConfig = param(Sine(), "omega = 30 in all layers")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """10,000 steps of all samples, at a tenth of the rate after 3000."""
        return all_samples(spec, 10000, {"lr": 1e-4, "schedule": {"type": "step", "at": [0.3], "decay": 0.1}})

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rate, in fewer steps of at most 16384 samples, without its schedule."""
        return lattice_or_points(spec, {"lr": 1e-4, "steps": 600, "schedule": "constant"})
