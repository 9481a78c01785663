"""Sums of radial kernels, every one of which reaches every point."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.radial import SQUARE_KERNELS, Kernel

__all__ = ["OP", "kernel_sum"]

MAX_VALUES = 64  # that a Triton program holds

# A sum of M terms in one order or another: at most M eps of the sum of absolute values, sqrt(M) eps in practice;
# gradients by the kernels have N terms instead. M and N are up to 10^4. Distances are the same differences in every
# backend, and exponentials and logarithms are within 3 eps.
OP = Op(
    name="kernel_sum",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.kernel_sum.reference:kernel_sum", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.kernel_sum.cpu:kernel_sum",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.kernel_sum.cuda:kernel_sum",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            refuses="inr.kernels.kernel_sum:refused_by_triton",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 2e-5},
)


def kernel_sum(
    p: Tensor,  # [N, D]
    centres: Tensor,  # [M, D]
    widths: Tensor,  # [M]
    weights: Tensor,  # [M, C]
    kernel: Kernel,
) -> Tensor:  # [N, C]
    """y_n = sum_m weights_m phi(|p_n - centres_m| / widths_m), with phi of `inr.kernels.radial`, but not the tent.

    p, centres, widths (not 0) and weights have one dtype and device. There are derivatives by all of them, to any
    order that phi has.

    Raises UsageError when shapes, dtypes, devices or the kernel do not fit; UnavailableError for a forced backend that
    cannot run the call.
    """
    tensors = (p, centres, widths, weights)
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
    if [tensor.ndim for tensor in tensors] != [2, 2, 1, 2] or p.shape[1] != centres.shape[1]:
        raise UsageError(f"points, centres, widths and weights are {shapes}", "expected [N, D], [M, D], [M], [M, C]")
    if not len(centres) == len(widths) == len(weights):
        raise UsageError(f"points, centres, widths and weights are {shapes}", "each kernel needs one of the last three")
    if len({(tensor.dtype, tensor.device) for tensor in tensors}) > 1:
        kinds = ", ".join(f"{tensor.dtype} on {tensor.device}" for tensor in tensors)
        raise UsageError(f"points, centres, widths and weights are {kinds}", "all must be the same")
    if kernel not in SQUARE_KERNELS:
        raise UsageError(f"there are no sums of the kernel {kernel!r}", f"known: {', '.join(SQUARE_KERNELS)}")
    result: Tensor = OP.choose(Need.of(*tensors, shape=weights.shape[1])).function(*tensors, kernel)
    return result


def refused_by_triton(n_values: int) -> list[str]:
    return [] if n_values <= MAX_VALUES else [f"its kernels have up to {MAX_VALUES} values, and these have {n_values}"]
