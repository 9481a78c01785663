"""Quadratic B-spline wavelet made of ReLUs.  Shenouda, Zhou and Nowak 2024 (BW-ReLU), arXiv:2406.02529."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.linear import Role

PICTURES, DISTANCES = 9.0, 3.0
"""c: the paper's to represent signals, and its for inverse problems, with which distances are learned better (record
shape-frequencies)."""


@ACTIVATIONS.register("bspline_wavelet")
@dataclass(frozen=True, kw_only=True)
class BsplineWavelet(ActivationConfig):
    """sigma(z) = psi(c z), piecewise linear with values 0, 1/12, -1/2, 5/6, -1/2, 1/12, 0 at 0, 1/2, 1, ... 3.

    The support [0, 3/c] is one-sided: half of the units start at 0 unless biases spread them.
    Initialisation: torch's default.
    """

    scale: float | None = param(None, "c; none: 9, the paper's for pictures, distances: 3", gt=0)

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(self, scale=self.scale or (DISTANCES if spec.has_distances else PICTURES))

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
