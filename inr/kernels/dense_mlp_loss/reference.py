"""The error in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels.dense_mlp import reference
from inr.kernels.pointwise import Pointwise


def dense_mlp_loss(
    x: Tensor,  # [N, K]
    y: Tensor,  # [N, C]
    weight: Tensor | None,  # [N, C] or [N, 1]
    power: int,
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each
    biases: Sequence[Tensor | None],  # [H_i] each
    activations: Sequence[Pointwise],
) -> Tensor:  # scalar
    """See `inr.kernels.dense_mlp_loss.dense_mlp_loss`. Any device and dtype, any order of derivative, any transform."""
    return mean_error(reference.dense_mlp(x, weights, biases, activations), y, weight, power)


def mean_error(values: Tensor, y: Tensor, weight: Tensor | None, power: int) -> Tensor:
    """The mean of weight |values - y|^power."""
    error = values - y
    size = error.square() if power == 2 else error.abs()
    return (size if weight is None else size * weight).mean()
