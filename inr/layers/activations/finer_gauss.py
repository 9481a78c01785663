"""Gaussians with variable period.  Zhu et al. 2024 (FINER++), arXiv:2407.19434."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Generator

from inr.core.config import param
from inr.layers.activations._base import ACTIVATIONS, Activation
from inr.layers.activations.gauss import Gauss
from inr.layers.linear import Linear, Role

SCALE, WARP = 3.0, 10.0
"""s and w of the authors' code. Distances in space are learned with smaller ones (record shape-frequencies)."""


@ACTIVATIONS.register("finer_gauss")
@dataclass(frozen=True, kw_only=True)
class FinerGauss(Gauss):
    """sigma(z) = exp(-(s sin(w (|z| + 1) z))^2): `gauss` with a variable period, and its own numbers for none."""

    scale: float | None = param(None, "inverse width s", gt=0, usual=SCALE, distances=1.0)
    warp: float | None = param(None, "frequency w of the sine inside", gt=0, usual=WARP, distances=5.0)
    first_bias: float | None = param(1.0, "range k of the first layer's biases; none: torch's", ge=0)

    def build(self, role: Role, width: int) -> Activation:
        return self._as_gauss().build(role, width)

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        self._as_gauss().init_linear(linear, generator)

    def _as_gauss(self) -> Gauss:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(Gauss)}
        return Gauss(**values | {"scale": self.scale or SCALE, "warp": self.warp or WARP})
