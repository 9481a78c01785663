"""The sine network in Triton."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._cuda.mlp_triton import mlp
from inr.kernels.dense_mlp import reference
from inr.kernels.pointwise import Pointwise
from inr.kernels.precision import precision


def dense_mlp(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
) -> Tensor:
    """See `inr.kernels.dense_mlp.dense_mlp`. First derivatives; higher ones are the reference's."""

    def plain(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
        return reference.dense_mlp(x, weights, biases, activations)

    return mlp(x, weights, biases, tuple(p.a for p in activations), precision(), plain)
