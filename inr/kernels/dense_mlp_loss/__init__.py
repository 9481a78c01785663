"""The error of a fully connected network, with all gradients, in one pass over the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import dense_mlp
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.pointwise import Pointwise
from inr.kernels.precision import PRECISIONS, precision

__all__ = ["OP", "dense_mlp_loss"]

OP = Op(
    name="dense_mlp_loss",
    backends=(
        Backend(
            "reference",
            priority=0,
            target="inr.kernels.dense_mlp_loss.reference:dense_mlp_loss",
            is_functional=True,
            precisions=PRECISIONS,
        ),
        Backend(
            "bf16",
            priority=20,
            target="inr.kernels.dense_mlp_loss.bf16:dense_mlp_loss",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            precisions=frozenset({"bfloat16"}),
            refuses="inr.kernels.pointwise:refused_by_cpu",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 5e-5},
)


def dense_mlp_loss(
    x: Tensor,  # [N, K]
    y: Tensor,  # [N, C]
    weight: Tensor | None,  # [N, C] or [N, 1]
    power: Literal[1, 2],
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each, H_0 = K and H_n = C
    biases: Sequence[Tensor | None],  # [H_i] each
    activations: Sequence[Pointwise],  # one less than matrices
) -> Tensor:  # scalar
    """mean over points and channels of  weight |dense_mlp(x, weights, biases, activations) - y|^power.

    y, weight: targets and their loss weights, or None for ones; dtype and device of x.
    power: 1 or 2; at power 1 an error of exactly zero has no gradient.

    If gradients may be needed, they are computed together with the value, from activations that never leave the cache.
    Derivatives of higher order are computed by the reference.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the call.
    """
    dense_mlp.check(x, weights, biases, activations)
    shape = (len(x), len(weights[-1]))
    if tuple(y.shape) != shape or (weight is not None and tuple(weight.shape) not in (shape, (len(x), 1))):
        raise UsageError(f"targets {tuple(y.shape)} and their weights do not fit predictions of shape {shape}")
    if power not in (1, 2):
        raise UsageError(f"power is {power}, expected 1 or 2")
    given = [bias for bias in biases if bias is not None]
    call = MlpShape.of(weights, biases, [activation.name for activation in activations])
    need = Need.of(x, y, *weights, *given, precision=precision(), shape=call)
    result: Tensor = OP.choose(need).function(x, y, weight, power, weights, biases, activations)
    return result
