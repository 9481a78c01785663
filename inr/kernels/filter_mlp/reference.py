"""Multiplicative filter networks in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear


def filter_mlp(
    e: Tensor,
    waves: Sequence[tuple[Tensor, Tensor]],
    envelopes: Sequence[tuple[Tensor, Tensor]],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
) -> Tensor:
    """See `inr.kernels.filter_mlp.filter_mlp`. Any device and dtype, any order of derivative, any transform."""
    filters = [torch.sin(linear(e, *wave)) for wave in waves]
    if envelopes:
        inputs = torch.cat([e, e.square().sum(-1, keepdim=True)], dim=-1)
        filters = [
            wave * torch.exp(linear(inputs, *envelope)) for wave, envelope in zip(filters, envelopes, strict=True)
        ]
    z = filters[0]
    for g, weight, bias in zip(filters[1:], weights[:-1], biases[:-1], strict=True):
        z = g * linear(z, weight, bias)
    return linear(z, weights[-1], biases[-1])
