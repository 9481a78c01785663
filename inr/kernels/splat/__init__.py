"""Sums of anisotropic Gaussians that end at a number of standard deviations.  Zhang et al. 2024, arXiv:2403.08551."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "splat"]

# A Gaussian's exponent is a sum of D squares of at most D terms each, up to reach^2 / 2, and an error of it is one of
# the Gaussian: about reach^2 D eps. A point then sums tens of Gaussians and a Gaussian's gradient hundreds of points,
# and an inverse factor multiplies its gradient. A Gaussian whose rim passes within rounding of a point is in one sum
# and out of the other: exp(-reach^2 / 2) of its value, 2e-3 at the default reach, which tests keep away from.
OP = Op(
    name="splat",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.splat.reference:splat", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.splat.cpu:splat",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 2e-5},
)


def splat(
    p: Tensor,  # [N, D]
    centres: Tensor,  # [M, D]
    factors: Tensor,  # [M, D, D] lower triangular, positive on the diagonal
    values: Tensor,  # [M, F]
    size: tuple[float, ...],
    reach: float,
) -> Tensor:  # [N, F]
    """sum_i values_i exp(-q_i / 2) over the Gaussians with q_i = |L_i^-1 (p - c_i)|^2 <= reach^2.

    p: points. centres: c_i. factors: L_i; entries above the diagonal are not read. values: a row for each Gaussian.
    All of one dtype and device.
    size: p and centres are in the box from 0 to these D lengths, where finding each other is cheap, or beyond it.
    reach: standard deviations after which a Gaussian ends.

    The result has derivatives by all four tensors, to any order, with the choice of Gaussians held fixed. A point or
    Gaussian that is not a number counts as out of reach.

    Raises UsageError when shapes, dtypes or devices do not fit; UnavailableError for a forced backend that cannot run
    the call.
    """
    d = len(size)
    if p.ndim != 2 or p.shape[1] != d or centres.shape[1:] != (d,) or factors.shape[1:] != (d, d) or values.ndim != 2:
        raise UsageError(
            f"points {tuple(p.shape)}, centres {tuple(centres.shape)}, factors {tuple(factors.shape)} and values "
            f"{tuple(values.shape)} do not fit a box of {d} sides"
        )
    if not len(centres) == len(factors) == len(values):
        raise UsageError(f"{len(centres)} centres, {len(factors)} factors and {len(values)} values: one each is needed")
    tensors = (p, centres, factors, values)
    if len({(tensor.dtype, tensor.device) for tensor in tensors}) > 1:
        kinds = ", ".join(f"{tensor.dtype} on {tensor.device}" for tensor in tensors)
        raise UsageError(f"points, centres, factors and values are {kinds}", "all must be the same")
    result: Tensor = OP.choose(Need.of(*tensors)).function(*tensors, size, reach)
    return result
