"""Sine activation with its variance-preserving initialisation.  Sitzmann et al. 2020 (SIREN), arXiv:2006.09661."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Generator, Tensor

from inr.core.config import param
from inr.kernels.pointwise import Pointwise
from inr.kernels.sine import sine
from inr.layers.activations import _siren
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Linear, Role


@ACTIVATIONS.register("sine")
@dataclass(frozen=True, kw_only=True)
class Sine(ActivationConfig):
    """sigma(z) = sin(omega z), with a separate frequency factor in the first layer.

    Initialisation: first W ~ U(+-1/fan_in); hidden and last W ~ U(+-sqrt(6/fan_in)/omega); biases stay at torch's
    U(+-1/sqrt(fan_in)), as in the authors' code. Hidden pre-activations omega z then have variance near 1.
    """

    omega: float = param(30.0, "frequency factor of the hidden layers", gt=0)
    omega_first: float | None = param(None, "frequency factor of the first layer; none: as the others", gt=0)

    def build(self, role: Role, width: int) -> Activation:
        return SineActivation(self.omega_first if self.omega_first is not None and role == "first" else self.omega)

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        _siren.init_weight(linear, self.omega, generator)


class SineActivation(Activation):
    smoothness = math.inf

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega
        self.slope = (-omega, omega)

    def forward(self, z: Tensor) -> Tensor:
        return sine(z, self.omega)

    def pointwise(self) -> Pointwise:
        return Pointwise(self.forward, "sine", self.omega)
