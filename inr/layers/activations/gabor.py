"""Complex Gabor wavelets.  Saragadam et al. 2023 (WIRE, CVPR), arXiv:2301.05187."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.kernels.pointwise import Pointwise
from inr.layers._complex import as_real
from inr.layers.activations import _finer, _siren
from inr.layers.activations._base import ACTIVATIONS, Activation
from inr.layers.activations.envelope import envelope
from inr.layers.linear import Linear, Role

OMEGA, SCALE = 10.0, 10.0
"""Of the authors' module for two branches. One branch learns pictures better with them than with the authors' 20 and 30
(record frequencies)."""
LARGEST_PHASE = 20.0  # beyond it every envelope is 0; the clamp avoids inf - inf


@ACTIVATIONS.register("gabor")
@dataclass(frozen=True, kw_only=True)
class Gabor(_finer.Warped):
    """sigma(z) = exp(j omega z - s^2 (|z|^2 + |u|^2)) of complex numbers stored as [Re | Im]; u where branches = 2.

    |z|^2 is z times its conjugate, so |sigma| = exp(-omega Im z - s^2 |z|^2). Use with the linear layer `complex`. A
    nominal width h means floor(h / sqrt 2) complex units, or floor(h / 2) for branches = 2, so that the number of real
    parameters is close to that of a real layer of width h. All branches form one complex vector, [Re z, Re u | Im z,
    Im u]. Initialisation: that of the linear layer. omega and s are the authors' for two branches. Their notes on
    pictures have 20 and 30, their script of occupancies 10 and 40. Distances are learned with 3 and 3, by one branch
    and by two (record shape-frequencies).

    Variable period (FINER++, arXiv:2407.19434): z is replaced by sin(w ((|Re z| + 1) Re z + j (|Im z| + 1) Im z)),
    and real and imaginary parts of W start in U(+-1/fan_in) (first), U(+-sqrt(6/fan_in)/(w omega)).
    """

    omega: float | None = param(None, "frequency of the wave", gt=0, usual=OMEGA, distances=3.0)
    scale: float | None = param(None, "inverse width s of the envelope", gt=0, usual=SCALE, distances=3.0)
    branches: int = param(1, "linear branches: 1, or 2 for a second one in the envelope (WIRE-2D)", ge=1, le=2)

    def features(self, width: int) -> int:
        return 2 * max(1, int(width / math.sqrt(2)) if self.branches == 1 else width // 2)

    def build(self, role: Role, width: int) -> Activation:
        return GaborActivation(self)

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        if self.warp is not None:
            self._init_warped(linear, self.warp, generator)
        _siren.init_first_bias(linear, self.first_bias, generator)

    def _init_warped(self, linear: Linear, warp: float, generator: Generator) -> None:
        first, last = linear.role == "first", linear.role == "last"
        n_in = linear.d_in if first else linear.d_in // 2
        n_out = linear.d_out if last else linear.d_out // 2
        bound = 1.0 / n_in if first else math.sqrt(6 / n_in) / (warp * (self.omega or OMEGA))
        real, imag = torch.empty(2, n_out, n_in).uniform_(-bound, bound, generator=generator)
        if first:
            linear.assign(torch.cat([real, torch.zeros_like(real)]))
        else:
            linear.assign(torch.cat([real, -imag], dim=1) if last else as_real(real, imag))


class GaborActivation(Activation):
    def __init__(self, config: Gabor) -> None:
        super().__init__()
        self.omega, self.scale = config.omega or OMEGA, config.scale or SCALE
        self.warp, self.arity = config.warp, config.branches
        self.has_scale_gradient = bool(config.has_scale_gradient)
        self.smoothness = math.inf if self.warp is None else _finer.smoothness_of(self.has_scale_gradient)

    def forward(self, z: Tensor) -> Tensor:
        real, imag = z.chunk(2, dim=-1)
        if self.warp is not None:
            real, imag = self._warp(real, imag, self.warp)
        square = real.square() + imag.square()
        if self.arity == 2:
            first, second = square.chunk(2, dim=-1)
            square = first + second
            real, imag = (part.chunk(2, dim=-1)[0] for part in (real, imag))
        size = envelope(self.omega * imag + self.scale**2 * square)
        angle = self.omega * real
        return torch.cat([size * torch.cos(angle), size * torch.sin(angle)], dim=-1)

    def pointwise(self) -> Pointwise | None:
        is_plain = self.arity == 1 and self.warp is None
        return Pointwise(self.forward, "gabor", self.omega, self.scale) if is_plain else None

    def _warp(self, real: Tensor, imag: Tensor, warp: float) -> tuple[Tensor, Tensor]:
        is_exact = self.has_scale_gradient or not self.training
        a = warp * _finer.vary(real, is_exact)
        b = (warp * _finer.vary(imag, is_exact)).clamp(-LARGEST_PHASE, LARGEST_PHASE)
        return torch.sin(a) * torch.cosh(b), torch.cos(a) * torch.sinh(b)
