"""Real Gabor wavelets.  Saragadam et al. 2023 (WIRE, CVPR), arXiv:2301.05187."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.config import param
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.activations.envelope import envelope
from inr.layers.linear import Role


@ACTIVATIONS.register("real_gabor")
@dataclass(frozen=True, kw_only=True)
class RealGabor(ActivationConfig):
    """sigma(z, u) = cos(omega z) exp(-(s u)^2), z and u two linear branches. Initialisation: torch's default."""

    omega: float = param(20.0, "frequency of the wave", gt=0)
    scale: float = param(10.0, "inverse width s of the envelope", gt=0)

    def build(self, role: Role, width: int) -> Activation:
        return RealGaborActivation(self)


class RealGaborActivation(Activation):
    smoothness = math.inf
    arity = 2

    def __init__(self, config: RealGabor) -> None:
        super().__init__()
        self.omega, self.scale = config.omega, config.scale

    def forward(self, z: Tensor) -> Tensor:
        wave, width = z.chunk(2, dim=-1)
        return torch.cos(self.omega * wave) * envelope((self.scale * width).square())
