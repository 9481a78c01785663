"""A multiplicative filter network as one operation.  Fathony et al. 2021 (MFN, ICLR)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.dense_mlp import check, work_size
from inr.kernels.filter_mlp.shape import FilterShape

__all__ = ["OP", "Layer", "filter_mlp"]

Layer = tuple[Tensor, Tensor]
"""A matrix [H, K] and a vector [H]."""

# Sums as in `dense_mlp`. A phase of up to 200 rounds to 1e-5, and each of up to six filters multiplies one such error.
OP = Op(
    name="filter_mlp",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.filter_mlp.reference:filter_mlp", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.filter_mlp.cpu:filter_mlp",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            least_size=2**18,
            refuses="inr.kernels.filter_mlp.shape:refused_by_cpu",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 5e-5},
)


def filter_mlp(
    e: Tensor,  # [N, K]
    waves: Sequence[Layer],  # Omega_i [H_i, K] and phi_i [H_i]
    envelopes: Sequence[Layer],  # V_i [H_i, K + 1] and v_i [H_i]; none: of plane waves
    weights: Sequence[Tensor],  # [H_{i+1}, H_i] each; the last [C, H_n]
    biases: Sequence[Tensor | None],  # [H_{i+1}] each
    *,
    order: int = 1,
) -> Tensor:  # [N, C]
    """y = W_n z_n + b_n with z_1 = g_1(e), z_{i+1} = g_{i+1}(e) (W_i z_i + b_i), for n >= 1 filters and matrices.

    g_i(e) = sin(Omega_i e + phi_i), times exp(V_i [e, |e|^2] + v_i) if envelopes are given.

    All tensors have dtype and device of e. order: the highest derivative that will be taken of the result. Past the
    order of the chosen backend, derivatives are still correct, computed by the reference.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the call.
    """
    _check(e, waves, envelopes, weights, biases)
    given = [tensor for layer in (*waves, *envelopes) for tensor in layer]
    given += [*weights, *(bias for bias in biases if bias is not None)]
    need = Need.of(
        e, *given, order=order, size=work_size(len(e), weights), shape=FilterShape(e.shape[1], bool(envelopes))
    )
    result: Tensor = OP.choose(need).function(e, waves, envelopes, weights, biases)
    return result


def _check(
    e: Tensor,
    waves: Sequence[Layer],
    envelopes: Sequence[Layer],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
) -> None:
    if not waves or len(waves) != len(weights) or len(envelopes) not in (0, len(waves)):
        raise UsageError(
            f"{len(waves)} waves, {len(envelopes)} envelopes and {len(weights)} matrices: a network has as many waves "
            "as matrices, at least one, and as many envelopes or none"
        )
    check(weights[0][:1], weights, biases, waves[1:])
    if e.ndim != 2:
        raise UsageError(f"inputs of shape {tuple(e.shape)}: expected [N, K]")
    for layers, d_in in ((waves, e.shape[1]), (envelopes, e.shape[1] + 1)):
        for i, (matrix, vector) in enumerate(layers):
            width = weights[i].shape[1]
            if tuple(matrix.shape) != (width, d_in) or tuple(vector.shape) != (width,):
                raise UsageError(
                    f"filter {i} has {tuple(matrix.shape)} and {tuple(vector.shape)}, expected {(width, d_in)} "
                    f"and {(width,)}"
                )
            if any(t.dtype != e.dtype or t.device != e.device for t in (matrix, vector, *weights)):
                raise UsageError(f"every tensor must be {e.dtype} on {e.device}, as the inputs are")
