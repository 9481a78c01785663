"""Damped sines.  Shah and Sitawarin 2024 (SPDER, ICLR), arXiv:2306.15242."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.kernels.pointwise import Pointwise
from inr.layers.activations import _siren
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Linear, Role

AUTHORS = 30.0
"""omega. Distances in space are learned with a smaller one (record shape-frequencies)."""


@ACTIVATIONS.register("spder")
@dataclass(frozen=True, kw_only=True)
class Spder(ActivationConfig):
    """sigma(z) = sin(u) delta(u), u = omega z, with delta(u) = sqrt|u| (pictures), arctan u (sound, authors' code).

    With the square root, sigma' is continuous, about 3/2 sqrt|u| near 0, but sigma'' grows like |u|^(-1/2) there:
    smooth to order 1, so a loss on first derivatives trains noisily. With arctan it is infinitely smooth.
    Initialisation: as for `sine`.
    """

    omega: float | None = param(None, "frequency factor of the hidden layers", gt=0, usual=AUTHORS, distances=10.0)
    omega_first: float | None = param(None, "frequency factor of the first layer; none: as the others", gt=0)
    damping: Literal["sqrt", "arctan"] | None = param(None, "delta; none: arctan for sound, else sqrt")

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(
            super().resolve(spec), damping=self.damping or ("arctan" if spec.traits.is_waveform else "sqrt")
        )

    def build(self, role: Role, width: int) -> Activation:
        omega = self.omega_first if self.omega_first is not None and role == "first" else self.omega
        return SpderActivation(omega or AUTHORS, self.damping or "sqrt")

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        _siren.init_weight(linear, self.omega or AUTHORS, generator)


class SpderActivation(Activation):
    def __init__(self, omega: float, damping: Literal["sqrt", "arctan"]) -> None:
        super().__init__()
        self.omega, self.damping = omega, damping
        self.smoothness = 1.0 if damping == "sqrt" else math.inf

    def forward(self, z: Tensor) -> Tensor:
        u = self.omega * z
        return u.sin() * (u.atan() if self.damping == "arctan" else _safe_root(u))

    def pointwise(self) -> Pointwise | None:
        return Pointwise(self.forward, "spder", self.omega) if self.damping == "sqrt" else None


def _safe_root(u: Tensor) -> Tensor:
    """sqrt|u|; 0, with derivative 0, for u so small that sin(u) sqrt|u| is negligible."""
    is_tiny = u.abs() < torch.finfo(u.dtype).eps ** 2
    return torch.where(is_tiny, 0.0, torch.where(is_tiny, 1.0, u.abs()).sqrt())
