"""A step of Adam for the entries that have a gradient, and for no others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "Rates", "touched_adam"]

# A step is lr times a quotient near 1, of two moments that sum rounded terms.
OP = Op(
    name="touched_adam",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.touched_adam.reference:touched_adam", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.touched_adam.cpu:touched_adam",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 1e-5},
)


@dataclass(frozen=True)
class Rates:
    """lr: learning rate. b1, b2: decays of the moments, in [0, 1). eps: added to the root of the second moment."""

    lr: float
    b1: float
    b2: float
    eps: float


def touched_adam(
    p: Tensor,  # any shape; this and the next three are changed in place
    m: Tensor,  # the shape of p
    v: Tensor,  # the shape of p
    mark: Tensor,  # the shape of p
    g: Tensor,  # the shape of p
    rates: Rates,
    step: int,
    *,
    is_counting: bool,
) -> None:
    """For entries whose gradient g is not 0, with n = mark + 1 and k = 1 if counting, else n = step, k = step - mark:

        m <- b1^k m + (1 - b1) g,   v <- b2^k v + (1 - b2) g^2,   mark <- n
        p <- p - lr m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps)

    Other entries keep all four numbers. If counting, `mark` is the number of an entry's own steps, and others do not
    exist for it (as in tiny-cuda-nn). Else `mark` is the step that touched the entry last, and both moments are those
    of Adam with gradients of 0 in between; only the moves that Adam makes in between by its momentum are left out.
    Entries begin with m = v = mark = 0. step: from 1 on, one more in each call.

    p, m, v, mark and g: of one dtype, device and shape. The result is the same for any number of threads.

    Raises UsageError when they are not, or if a step is below 1.
    """
    tensors = (p, m, v, mark, g)
    if len({(tensor.dtype, tensor.device, tensor.shape) for tensor in tensors}) > 1:
        kinds = ", ".join(f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}" for tensor in tensors)
        raise UsageError(f"values, moments, marks and gradient are {kinds}", "all must be the same")
    if step < 1:
        raise UsageError(f"step {step}: expected 1 or more")
    OP.choose(Need.of(*tensors, order=0, size=p.numel())).function(*tensors, rates, step, is_counting)
