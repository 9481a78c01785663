"""Features of a point's nearest kernels, mixed by sines of the kernels' values.  Chen et al. 2023, arXiv:2309.15426."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "neighbour_sum"]

# Forward: K terms. The argument of a sine is rounded once, the same way in every backend, and reduced to within
# eps (1 + |argument| / 100); tests have arguments to 4096, as the default factors with kernels up to 1. A row of
# the gradient by weight sums as many terms as points have that kernel near, an entry of that by phi F terms, each
# multiplied by its factor, where cosines cancel.
OP = Op(
    name="neighbour_sum",
    backends=(
        Backend(
            "reference", priority=0, target="inr.kernels.neighbour_sum.reference:neighbour_sum", is_functional=True
        ),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.neighbour_sum.cpu:neighbour_sum",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            least_size=4096,
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 2e-5},
)


def neighbour_sum(
    phi: Tensor,  # [N, K]
    index: Tensor,  # [N, K] int64
    weight: Tensor,  # [M, F]
    factors: Tensor | None = None,  # [F]
) -> Tensor:  # [N, F]
    """y_nf = sum_k weight[index_nk, f] sin(phi_nk factors_f), and without factors sum_k weight[index_nk, f] phi_nk.

    phi: values of K kernels at each point. index: rows of weight, 0..M-1. weight: F features of each of M kernels.
    phi, weight and factors have one dtype and device. There are derivatives by phi and weight, to any order; none by
    the factors, which are constants.

    Raises UsageError when shapes, dtypes or devices do not fit; UnavailableError for a forced backend that cannot run
    the call.
    """
    if phi.ndim != 2 or index.shape != phi.shape or index.dtype != torch.int64 or weight.ndim != 2:
        raise UsageError(
            f"phi {tuple(phi.shape)}, index {tuple(index.shape)} of {index.dtype} and weight {tuple(weight.shape)} do "
            "not fit, expected [N, K], [N, K] of int64 and [M, F]"
        )
    others = (weight,) if factors is None else (weight, factors)
    if factors is not None and factors.shape != weight.shape[1:]:
        raise UsageError(f"factors are {tuple(factors.shape)}, expected one per feature ({weight.shape[1]})")
    if any((other.dtype, other.device) != (phi.dtype, phi.device) for other in others):
        raise UsageError("phi, weight and factors differ in dtype or device", "all must be the same")
    if factors is not None:
        factors = factors.detach()
    result: Tensor = OP.choose(Need.of(phi, *others, size=phi.shape[0])).function(phi, index, weight, factors)
    return result
