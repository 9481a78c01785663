"""Sums of radial kernels in plain torch: the definition. It holds a value for every pair of a point and a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels.radial import Kernel, radial_of_square


def squares(p: Tensor, centres: Tensor) -> Tensor:
    """|p - c|^2 of every point [*B, D] and centre [M, D]: [*B, M], axis by axis, as sums of 2 or 3 are slow."""
    total = torch.zeros((*p.shape[:-1], len(centres)), dtype=p.dtype, device=p.device)
    for d in range(p.shape[-1]):
        total = total + (p[..., d : d + 1] - centres[:, d]).square()
    return total


def kernel_sum(p: Tensor, centres: Tensor, widths: Tensor, weights: Tensor, kernel: Kernel) -> Tensor:
    """See `inr.kernels.kernel_sum.kernel_sum`. Any device and dtype, any order of derivative, any transform."""
    return radial_of_square(squares(p, centres) / widths.square(), kernel) @ weights
