"""The common activations of deep learning, without parameters; torch's default initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from inr.core.config import param
from inr.kernels.pointwise import Pointwise
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role


class Elementwise(Activation):
    """A torch function and its smoothness. name, a: of `Pointwise`, if kernels know the function."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        smoothness: float = math.inf,
        *,
        name: str | None = None,
        a: float = 1.0,
    ) -> None:
        super().__init__()
        self.function, self.smoothness, self.name, self.a = function, smoothness, name, a

    def forward(self, z: Tensor) -> Tensor:
        return self.function(z)

    def pointwise(self) -> Pointwise | None:
        return None if self.name is None else Pointwise(self.function, self.name, self.a)


@ACTIVATIONS.register("leaky_relu")
@dataclass(frozen=True, kw_only=True)
class LeakyRelu(ActivationConfig):
    """sigma(z) = max(z, a z)."""

    slope: float = param(0.01, "a, the slope of the negative side", ge=0, lt=1)

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(partial(functional.leaky_relu, negative_slope=self.slope), 1.0)


@ACTIVATIONS.register("elu")
@dataclass(frozen=True, kw_only=True)
class Elu(ActivationConfig):
    """sigma(z) = z for z > 0, else e^z - 1."""

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(functional.elu, 2.0)


@ACTIVATIONS.register("gelu")
@dataclass(frozen=True, kw_only=True)
class Gelu(ActivationConfig):
    """sigma(z) = z Phi(z), Phi the normal distribution function."""

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(functional.gelu)


@ACTIVATIONS.register("silu")
@dataclass(frozen=True, kw_only=True)
class Silu(ActivationConfig):
    """sigma(z) = z / (1 + e^-z)."""

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(functional.silu, name="silu")


@ACTIVATIONS.register("softplus")
@dataclass(frozen=True, kw_only=True)
class Softplus(ActivationConfig):
    """sigma(z) = log(1 + e^(b z)) / b."""

    beta: float = param(1.0, "sharpness b; 100 is usual for distances", gt=0)

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(partial(functional.softplus, beta=self.beta), name="softplus", a=self.beta)


@ACTIVATIONS.register("tanh")
@dataclass(frozen=True, kw_only=True)
class Tanh(ActivationConfig):
    """sigma(z) = tanh z."""

    def build(self, role: Role, width: int) -> Activation:
        return Elementwise(torch.tanh, name="tanh")
