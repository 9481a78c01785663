"""Sine of variable period.  Liu et al. 2024 (FINER, CVPR), arXiv:2312.02434."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.kernels.pointwise import Pointwise
from inr.layers.activations import _finer, _siren
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Linear, Role


@ACTIVATIONS.register("finer")
@dataclass(frozen=True, kw_only=True)
class Finer(ActivationConfig):
    """sigma(z) = sin(omega (|z| + 1) z): the local frequency grows with |z|; first-layer biases in +-k select the band.

    As in the authors' code, training stops the gradient through the factor |z| + 1: d sigma/dz becomes
    omega (|z| + 1) cos(.) instead of omega (2 |z| + 1) cos(.). Derivatives in training are then not those of the
    field, so `smoothness` is 0; in eval mode they are exact. Initialisation: as for `sine`; first b ~ U(+-k) if k is
    given.
    """

    omega: float = param(30.0, "frequency factor of the hidden layers", gt=0)
    omega_first: float | None = param(None, "frequency factor of the first layer; none: as the others", gt=0)
    first_bias: float | None = param(None, "range k of the first layer's biases; none: torch's", ge=0)
    has_scale_gradient: bool | None = param(
        None, "gradient through |z| + 1; none: where the loss takes derivatives (point clouds)"
    )

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(self, has_scale_gradient=_finer.is_exact_for(spec, self.has_scale_gradient))

    def build(self, role: Role, width: int) -> Activation:
        omega = self.omega_first if self.omega_first is not None and role == "first" else self.omega
        return FinerActivation(omega, bool(self.has_scale_gradient))

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        _siren.init_weight(linear, self.omega, generator)
        _siren.init_first_bias(linear, self.first_bias, generator)


class FinerActivation(Activation):
    def __init__(self, omega: float, has_scale_gradient: bool) -> None:
        super().__init__()
        self.omega, self.has_scale_gradient = omega, has_scale_gradient
        self.smoothness = _finer.smoothness_of(has_scale_gradient)

    def forward(self, z: Tensor) -> Tensor:
        return _finer.sine(z, self.omega, self._is_exact)

    def pointwise(self) -> Pointwise:
        return Pointwise(self.forward, "finer_exact" if self._is_exact else "finer", self.omega)

    @property
    def _is_exact(self) -> bool:
        return self.has_scale_gradient or not self.training
