"""A step of Adam for touched entries, in torch's operations."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels.touched_adam import Rates


def touched_adam(
    p: Tensor, m: Tensor, v: Tensor, mark: Tensor, g: Tensor, rates: Rates, step: int, is_counting: bool
) -> None:
    """See `inr.kernels.touched_adam.touched_adam`."""
    b1, b2, is_touched = rates.b1, rates.b2, g != 0
    n = mark + 1 if is_counting else mark.new_full(mark.shape, step)
    first = m * b1 ** (n - mark) + (1 - b1) * g
    second = v * b2 ** (n - mark) + (1 - b2) * g * g
    past = n.double()
    move = rates.lr * first / (1 - b1**past) / ((second / (1 - b2**past)).sqrt() + rates.eps)
    p.sub_(torch.where(is_touched, move.to(p.dtype), 0.0))
    for old, new in ((m, first), (v, second), (mark, n)):
        old.copy_(torch.where(is_touched, new, old))
