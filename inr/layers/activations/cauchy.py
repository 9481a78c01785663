"""Cauchy activation.  Li, Xia and Zhang 2024 (XNet), arXiv:2409.19221."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role


@ACTIVATIONS.register("cauchy")
@dataclass(frozen=True, kw_only=True)
class Cauchy(ActivationConfig):
    """sigma(z) = (l1 z + l2) / (z^2 + d^2), with l1, l2 and d trained, one of each per layer.

    The terms peak at l1 / (2 d) and l2 / d^2. We found no published initial values; ours are narrow, as fields need,
    and both peaks are 1. Initialisation of linear maps: torch's default.
    """

    l1: float = param(0.2, "initial value of l1")
    l2: float = param(0.01, "initial value of l2")
    d: float = param(0.1, "initial value of d, the distance of the poles from the real axis", gt=0)

    def build(self, role: Role, width: int) -> Activation:
        return CauchyActivation(self)


class CauchyActivation(Activation):
    smoothness = math.inf
    role = "activation"

    def __init__(self, config: Cauchy) -> None:
        super().__init__()
        self.l1, self.l2, self.d = (nn.Parameter(torch.tensor(v)) for v in (config.l1, config.l2, config.d))

    def forward(self, z: Tensor) -> Tensor:
        return (self.l1 * z + self.l2) / (z.square() + self.d.square())
