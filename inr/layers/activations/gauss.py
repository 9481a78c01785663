"""Gaussian activation.  Ramasinghe and Lucey 2022 (Beyond Periodicity), arXiv:2111.15135."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Generator, Tensor

from inr.core.config import param
from inr.kernels.pointwise import Pointwise
from inr.layers.activations import _finer, _siren
from inr.layers.activations._base import ACTIVATIONS, Activation
from inr.layers.activations.envelope import envelope
from inr.layers.linear import Linear, Role

WIRES = 10.0
"""s of WIRE's code. With FINER's, 30, pictures are learned worse (record frequencies), and distances in space with
either (record shape-frequencies)."""


@ACTIVATIONS.register("gauss")
@dataclass(frozen=True, kw_only=True)
class Gauss(_finer.Warped):
    """sigma(z) = exp(-(s z)^2), or with variable period (FINER++) exp(-(s sin(w (|z| + 1) z))^2).

    s = 1 / (sqrt(2) a) for a standard deviation a. Units with |z| far above 1/s get no gradient. Initialisation:
    torch's default; with a warp w the authors' (arXiv:2407.19434), first W ~ U(+-1/fan_in), others
    U(+-sqrt(6/fan_in)/w), and their detached factor |z| + 1 (see `finer`).
    """

    scale: float | None = param(None, "inverse width s", gt=0, usual=WIRES, distances=3.0)

    def build(self, role: Role, width: int) -> Activation:
        return GaussActivation(self)

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        if self.warp is not None:
            _siren.init_weight(linear, self.warp, generator)
        _siren.init_first_bias(linear, self.first_bias, generator)


class GaussActivation(Activation):
    def __init__(self, config: Gauss) -> None:
        super().__init__()
        self.scale, self.warp = config.scale or WIRES, config.warp
        self.has_scale_gradient = bool(config.has_scale_gradient)
        self.smoothness = math.inf if self.warp is None else _finer.smoothness_of(self.has_scale_gradient)

    def forward(self, z: Tensor) -> Tensor:
        if self.warp is not None:
            z = _finer.sine(z, self.warp, self.has_scale_gradient or not self.training)
        return envelope((self.scale * z).square())

    def pointwise(self) -> Pointwise | None:
        if self.warp is None:
            return Pointwise(self.forward, "gauss", self.scale)
        is_exact = self.has_scale_gradient or not self.training
        return None if is_exact else Pointwise(self.forward, "gauss_warped", self.scale, self.warp)
