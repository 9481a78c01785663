"""Nearest neighbours: the K centres next to each point."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "knn"]

# The result is a list of indices: backends agree wherever no two distances round to the same number.
OP = Op(
    name="knn",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.knn.reference:knn", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.knn.cpu:knn",
            package="scipy",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
        ),
    ),
    tolerances={torch.float64: 0.0, torch.float32: 0.0},
)


def knn(
    x: Tensor,  # [N, D]
    centres: Tensor,  # [M, D]
    k: int,
) -> Tensor:  # [N, k] int64
    """Rows of the k centres nearest to each point by Euclidean distance, nearest first.

    x: points. centres: M >= k of them, dtype and device of x. k: 1..M. The result has no gradient: what is computed
    from the neighbours is differentiated with the choice held fixed.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the call.
    """
    if x.ndim != 2 or centres.ndim != 2 or x.shape[1] != centres.shape[1]:
        raise UsageError(f"points of shape {tuple(x.shape)} and centres of shape {tuple(centres.shape)} do not fit")
    if x.dtype != centres.dtype or x.device != centres.device:
        raise UsageError(
            f"points are {x.dtype} on {x.device} and centres are {centres.dtype} on {centres.device}",
            "both must be the same",
        )
    if not 1 <= k <= len(centres):
        raise UsageError(f"k is {k}, expected 1 to the number of centres ({len(centres)})")
    result: Tensor = OP.choose(Need.of(x, centres)).function(x.detach(), centres, k)
    return result
