"""Sums over a point's nearest kernels in plain torch: the definition."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def neighbour_sum(phi: Tensor, index: Tensor, weight: Tensor, factors: Tensor | None) -> Tensor:
    """See `inr.kernels.neighbour_sum.neighbour_sum`. Any device and dtype, any order of derivative, any transform."""
    mix = phi.unsqueeze(-1)
    if factors is not None:
        mix = torch.sin(mix * factors)
    return (functional.embedding(index, weight) * mix).sum(-2)
