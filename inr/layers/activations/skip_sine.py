"""A sine on top of the identity, in the first layer.  Chen et al. 2023 (NeuRBF), arXiv:2309.15426."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.activations.relu import Relu
from inr.layers.linear import Linear, Role


@ACTIVATIONS.register("skip_sine")
@dataclass(frozen=True, kw_only=True)
class SkipSine(ActivationConfig):
    """sigma(z)_i = z_i + sin(mu_i z_i) in the first layer, mu log-spaced over its units; `rest` in the others.

    Default range (none), from the paper: 1 to 1000 for lattices, 30 to 300 for signed distances.
    """

    low: float | None = param(None, "factor mu of the first unit", gt=0)
    high: float | None = param(None, "factor mu of the last unit", gt=0)
    rest: ActivationConfig = param(Relu(), "activation of the other layers")

    def resolve(self, spec: Spec) -> Self:
        low, high = (30.0, 300.0) if spec.shape is None else (1.0, 1000.0)
        return dataclasses.replace(super().resolve(spec), low=self.low or low, high=self.high or high)

    def build(self, role: Role, width: int) -> Activation:
        return (
            SkipSineActivation(self.low or 1.0, self.high or 1000.0, width)
            if role == "first"
            else self.rest.build(role, width)
        )

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        if linear.role != "first":
            self.rest.init_linear(linear, generator)


class SkipSineActivation(Activation):
    smoothness = math.inf
    factors: Tensor  # [H]

    def __init__(self, low: float, high: float, width: int) -> None:
        super().__init__()
        span = torch.linspace(math.log2(low), math.log2(high), width)
        self.register_buffer("factors", torch.exp2(span), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        return z + torch.sin(z * self.factors)
