"""No activation, for blocks that are nonlinear without one (products)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role


@ACTIVATIONS.register("identity")
@dataclass(frozen=True, kw_only=True)
class NoActivation(ActivationConfig):
    """sigma(z) = z."""

    def build(self, role: Role, width: int) -> Activation:
        return IdentityActivation()


class IdentityActivation(Activation):
    smoothness = math.inf

    def forward(self, z: Tensor) -> Tensor:
        return z
