"""A network of sines or tanh with its derivatives by the coordinates, carried forward in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import dense_mlp as network
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise

__all__ = ["ACTIVATIONS", "OP", "JetPlan", "identity_jets", "sine_jet"]

ACTIVATIONS = ("sine", "tanh")

# A second derivative has a factor omega^2 per layer against the value; each stream is compared with its own largest
# value. Sums as in `dense_mlp`, over all streams.
OP = Op(
    name="sine_jet",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.sine_jet.reference:sine_jet", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.sine_jet.cpu:sine_jet",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
            least_size=2**14,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.sine_jet.cuda:sine_jet",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 5e-5},
)


def sine_jet(
    jets: Tensor,  # [S, N, K]
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each, H_0 = K and H_n = C
    biases: Sequence[Tensor | None],  # [H_i] each
    activations: Sequence[Pointwise],  # one less than matrices
    plan: JetPlan,
    *,
    order: int = 1,
) -> Tensor:  # [S, N, C]
    """The jets of y = W_n f_{n-1}( ... f_1(W_1 x + b_1) ... ) + b_n, from those of its input.

    Streams are in the order of the plan: value, first derivatives, second ones. With z = W a + b in every layer

        a' = f(z)      a'_i = f'(z) z_i      a'_q = f'(z) z_q + f''(z) sum_(i, j, c) c z_i z_j

    jets: of the input; `identity_jets` makes those of coordinates.
    activations: sin(a z) or tanh z. order: as in `dense_mlp`.

    Raises UsageError when shapes, dtypes or activations do not fit; UnavailableError for a forced backend that cannot
    run the call.

    Source: Bettencourt et al. 2019, "Taylor-mode automatic differentiation"; Li et al. 2023, "Forward Laplacian",
    arXiv:2307.08214.
    """
    if jets.dim() != 3 or jets.shape[0] != plan.n_streams:
        raise UsageError(f"the plan has {plan.n_streams} streams, and the jets are of shape {tuple(jets.shape)}")
    network.check(jets[0], weights, biases, activations)
    unknown = sorted({activation.name for activation in activations} - set(ACTIVATIONS))
    if unknown:
        raise UsageError(f"derivatives pass through {' and '.join(ACTIVATIONS)}, and this network has {unknown}")
    given = [bias for bias in biases if bias is not None]
    size = jets.shape[0] * jets.shape[1] * max(len(weight) for weight in weights)
    need = Need.of(jets, *weights, *given, order=order, size=size)
    result: Tensor = OP.choose(need).function(jets, weights, biases, activations, plan)
    return result


def identity_jets(x: Tensor, plan: JetPlan) -> Tensor:
    """Jets [S, N, D] of the coordinates x [N, D] themselves, for a plan whose first streams are axes 0, 1, ..."""
    jets = x.new_zeros((plan.n_streams, *x.shape))
    jets[0] = x
    for axis in range(plan.n_first):
        jets[1 + axis, :, axis] = 1
    return jets
