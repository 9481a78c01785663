"""Quadratic B-spline wavelet made of ReLUs.  Shenouda, Zhou and Nowak 2024 (BW-ReLU), arXiv:2406.02529."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.config import param
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role

PICTURES = 9.0
"""c of the paper to represent signals. With its 3, for inverse problems, distances are learned better (record
shape-frequencies)."""


@ACTIVATIONS.register("bspline_wavelet")
@dataclass(frozen=True, kw_only=True)
class BsplineWavelet(ActivationConfig):
    """sigma(z) = psi(c z), piecewise linear with values 0, 1/12, -1/2, 5/6, -1/2, 1/12, 0 at 0, 1/2, 1, ... 3.

    The support [0, 3/c] is one-sided: half of the units start at 0 unless biases spread them.
    Initialisation: torch's default.
    """

    scale: float | None = param(None, "c", gt=0, usual=PICTURES, distances=3.0)

    def build(self, role: Role, width: int) -> Activation:
        return BsplineWaveletActivation(self.scale or PICTURES)


class BsplineWaveletActivation(Activation):
    smoothness = 1.0

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        r = (self.scale * z - 1.5).abs()  # psi is even around 3/2: three ReLUs replace the paper's seven
        return (torch.relu(1.5 - r) - 8.0 * torch.relu(1.0 - r) + 23.0 * torch.relu(0.5 - r)) / 6.0
