"""The sine in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

import torch
from torch import Tensor


def sine(z: Tensor, omega: float) -> Tensor:
    """See `inr.kernels.sine.sine`. Any device and dtype, any order of derivative, any transform."""
    return torch.sin(omega * z)
