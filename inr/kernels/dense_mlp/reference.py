"""Fully connected networks in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import linear

from inr.kernels.pointwise import Pointwise


def dense_mlp(
    x: Tensor,  # [N, K]
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each
    biases: Sequence[Tensor | None],  # [H_i] each
    activations: Sequence[Pointwise],
) -> Tensor:  # [N, C]
    """See `inr.kernels.dense_mlp.dense_mlp`. Any device and dtype, any order of derivative, any transform."""
    h = x
    for weight, bias, activation in zip(weights[:-1], biases[:-1], activations, strict=True):
        h = activation.function(linear(h, weight, bias))
    return linear(h, weights[-1], biases[-1])
