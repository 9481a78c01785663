"""Rectified linear unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inr.kernels.pointwise import Pointwise
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role


@ACTIVATIONS.register("relu")
@dataclass(frozen=True, kw_only=True)
class Relu(ActivationConfig):
    """sigma(z) = max(z, 0)."""

    def build(self, role: Role, width: int) -> Activation:
        return ReluActivation()


class ReluActivation(Activation):
    smoothness = 1.0
    slope = (0.0, 1.0)

    def forward(self, z: Tensor) -> Tensor:
        return torch.relu(z)

    def pointwise(self) -> Pointwise:
        return Pointwise(self.forward, "relu")
