"""The sine network in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear


def sine_mlp(
    x: Tensor,  # [N, K]
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each
    biases: Sequence[Tensor | None],  # [H_i] each
    omegas: Sequence[float],
) -> Tensor:  # [N, C]
    """See `inr.kernels.sine_mlp.sine_mlp`. Any device and dtype, any order of derivative, any transform."""
    h = x
    for weight, bias, omega in zip(weights[:-1], biases[:-1], omegas, strict=True):
        h = torch.sin(omega * linear(h, weight, bias))
    return linear(h, weights[-1], biases[-1])
