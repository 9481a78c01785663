"""The sine network in Triton."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._cuda.mlp_triton import mlp
from inr.kernels.precision import precision
from inr.kernels.sine_mlp import reference


def sine_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], omegas: Sequence[float]) -> Tensor:
    """See `inr.kernels.sine_mlp.sine_mlp`. First derivatives; higher ones are the reference's."""

    def plain(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
        return reference.sine_mlp(x, weights, biases, omegas)

    return mlp(x, weights, biases, tuple(omegas), precision(), plain)
