"""A small fully connected network with rectified linear units, as one operation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.precision import PRECISIONS, precision

__all__ = ["OP", "relu_mlp"]

# Forward: layer after layer a sum of H products, about sqrt(H) eps each in practice. Weight gradients sum N terms, at
# worst N eps times the sum of absolute values apart, in practice about sqrt(N) eps. The tolerances hold, as a part of
# the largest absolute value, for widths up to 256 and N up to 10^5. A unit whose input is within rounding of zero may
# be on in one backend and off in another, which moves a gradient by x by the whole of that unit's share.
OP = Op(
    name="relu_mlp",
    backends=(
        Backend(
            "reference",
            priority=0,
            target="inr.kernels.relu_mlp.reference:relu_mlp",
            is_functional=True,
            precisions=PRECISIONS,
        ),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.relu_mlp.cpu:relu_mlp",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
            least_size=2**17,  # below, torch's products are as fast
            widths=(48, 128),
            precisions=PRECISIONS,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.relu_mlp.cuda:relu_mlp",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            precisions=frozenset({"float32", "tf32", "float16"}),
            refuses="inr.kernels.mlp_shape:refused_by_triton",
        ),
        Backend(
            "tcnn",
            priority=30,
            target="inr.kernels.relu_mlp.tcnn:relu_mlp",
            package="tinycudann",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            is_deterministic=False,
            precisions=frozenset({"float16"}),
            refuses="inr.kernels.mlp_shape:refused_by_tcnn",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 2e-5},
)


def relu_mlp(
    x: Tensor,  # [N, K]
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each, H_0 = K and H_n = C
    biases: Sequence[Tensor | None],  # [H_i] each
    *,
    order: int = 1,
) -> Tensor:  # [N, C]
    """y = W_n relu( ... relu(W_1 x + b_1) ... ) + b_n, with at least one matrix.

    weights, biases: of each layer, first to last, dtype and device of x; a bias of None is none.
    order: the highest derivative that will be taken of the result. Past the order of the chosen backend, derivatives
        are still correct, computed by the reference.

    The factors of matrix products may be rounded to the precision of `use_precision`, if a backend gains by it.

    A unit whose input is zero or below passes no gradient.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the
    call.
    """
    check(x, weights, biases)
    given = [bias for bias in biases if bias is not None]
    width = max((len(weight) for weight in weights[:-1]), default=0)
    shape = MlpShape.of(weights, biases)
    need = Need.of(x, *weights, *given, order=order, size=x.shape[0], width=width, precision=precision(), shape=shape)
    result: Tensor = OP.choose(need).function(x, weights, biases)
    return result


def check(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
    if not weights or len(weights) != len(biases):
        raise UsageError(f"{len(weights)} matrices and {len(biases)} biases: a network has one of each per layer")
    tensors = [x, *weights, *(bias for bias in biases if bias is not None)]
    if any(t.dtype != x.dtype or t.device != x.device for t in tensors):
        raise UsageError(f"every tensor must be {x.dtype} on {x.device}, as the points are")
    shapes = [tuple(x.shape), *(tuple(weight.shape) for weight in weights)]
    if any(len(shape) != 2 for shape in shapes) or any(a[1] != x.shape[1] for a in shapes[:2]):
        raise UsageError(f"inputs of shape {shapes[0]} do not fit a first matrix of shape {shapes[1]}")
    for i, (before, after) in enumerate(pairwise(shapes[1:])):
        if after[1] != before[0]:
            raise UsageError(f"matrix {i + 1} of shape {after} does not fit the one before, of shape {before}")
    for i, (bias, shape) in enumerate(zip(biases, shapes[1:], strict=True)):
        if bias is not None and tuple(bias.shape) != shape[:1]:
            raise UsageError(f"bias {i} of shape {tuple(bias.shape)} does not fit its matrix of shape {shape}")
