"""The ReLU network in Triton."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._cuda.mlp_triton import mlp
from inr.kernels.precision import precision
from inr.kernels.relu_mlp import reference


def relu_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """See `inr.kernels.relu_mlp.relu_mlp`. First derivatives; higher ones are the reference's."""
    return mlp(x, weights, biases, None, precision(), reference.relu_mlp)
