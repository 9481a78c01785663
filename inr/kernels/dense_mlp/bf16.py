"""Fully connected networks on the CPU with bf16 products; the backward pass makes each block of points again."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._cpu.bf16_network import Bf16Network
from inr.kernels.dense_mlp._autograd import dense_value
from inr.kernels.pointwise import Pointwise


def dense_mlp(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
) -> Tensor:
    """See `inr.kernels.dense_mlp.dense_mlp`."""
    return dense_value(Bf16Network, x, weights, biases, activations)
