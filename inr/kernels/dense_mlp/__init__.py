"""A fully connected network with activations between its layers, as one operation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.pointwise import Pointwise
from inr.kernels.precision import precision

__all__ = ["OP", "check", "dense_mlp", "work_size"]

# Layer after layer a sum of H products, about sqrt(H) eps each in practice, times omega before the sine; a first layer
# of omega 30 turns the rounding of its argument, up to 100, into 1e-5, and every later layer about doubles what it is
# given. Gradients by weights sum N terms, in practice sqrt(N) eps apart. The tolerances hold, as a part of the largest
# absolute value, for widths up to 256, six layers and N up to 10^5.
OP = Op(
    name="dense_mlp",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.dense_mlp.reference:dense_mlp", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.dense_mlp.cpu:dense_mlp",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            least_size=2**18,
            refuses="inr.kernels.pointwise:refused_by_cpu",
        ),
        Backend(
            "bf16",
            priority=20,
            target="inr.kernels.dense_mlp.bf16:dense_mlp",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            precisions=frozenset({"bfloat16"}),
            refuses="inr.kernels.pointwise:refused_by_cpu",
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.dense_mlp.cuda:dense_mlp",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            precisions=frozenset({"float32", "tf32", "float16"}),
            refuses="inr.kernels.pointwise:refused_by_triton",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 5e-5},
)


def dense_mlp(
    x: Tensor,  # [N, K]
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each, H_0 = K and H_n = C
    biases: Sequence[Tensor | None],  # [H_i] each
    activations: Sequence[Pointwise],  # one less than matrices
    *,
    order: int = 1,
) -> Tensor:  # [N, C]
    """y = W_n f_{n-1}( ... f_1(W_1 x + b_1) ... ) + b_n, with at least one matrix.

    weights, biases: of each layer, first to last, dtype and device of x; a bias of None is none.
    order: the highest derivative that will be taken of the result. Past the order of the chosen backend, derivatives
        are still correct, computed by the reference.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the
    call.
    """
    check(x, weights, biases, activations)
    given = [bias for bias in biases if bias is not None]
    size, shape = (
        work_size(x.shape[0], weights),
        MlpShape.of(weights, biases, [activation.name for activation in activations]),
    )
    need = Need.of(x, *weights, *given, order=order, size=size, precision=precision(), shape=shape)
    result: Tensor = OP.choose(need).function(x, weights, biases, activations)
    return result


def work_size(n_points: int, weights: Sequence[Tensor]) -> int:
    """Numbers in the widest layer; but packing a matrix for a call pays only with several points per column."""
    return n_points * min(max(len(weight) for weight in weights), n_points // 8)


def check(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[object]) -> None:
    """Raise UsageError when shapes or dtypes do not fit. activations: only their number counts."""
    if not weights or not len(weights) == len(biases) == len(activations) + 1:
        raise UsageError(
            f"{len(weights)} matrices, {len(biases)} biases and {len(activations)} activations: "
            "a network has one of each per layer, and no activation for the last"
        )
    tensors = [x, *weights, *(bias for bias in biases if bias is not None)]
    if any(t.dtype != x.dtype or t.device != x.device for t in tensors):
        raise UsageError(f"every tensor must be {x.dtype} on {x.device}, as the points are")
    shapes = [tuple(x.shape), *(tuple(weight.shape) for weight in weights)]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise UsageError(f"inputs of shape {shapes[0]} do not fit a first matrix of shape {shapes[1]}")
    for i, (before, after) in enumerate(pairwise(shapes[1:])):
        if after[1] != before[0]:
            raise UsageError(f"matrix {i + 1} of shape {after} does not fit the one before, of shape {before}")
    for i, (bias, shape) in enumerate(zip(biases, shapes[1:], strict=True)):
        if bias is not None and tuple(bias.shape) != shape[:1]:
            raise UsageError(f"bias {i} of shape {tuple(bias.shape)} does not fit its matrix of shape {shape}")
