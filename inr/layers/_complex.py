"""Complex numbers in real features: m of them are 2 m features, stored as [Re | Im]."""

from __future__ import annotations

import torch
from torch import Tensor


def as_real(real: Tensor, imag: Tensor) -> Tensor:
    """The matrix [[Re, -Im], [Im, Re]] that multiplies [Re | Im] as Re + j Im multiplies complex numbers."""
    return torch.cat([torch.cat([real, -imag], dim=1), torch.cat([imag, real], dim=1)])


def nearest(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the complex matrix whose `as_real` is nearest to `weight`, in least squares."""
    (a, b), (c, d) = (torch.chunk(row, 2, dim=1) for row in torch.chunk(weight, 2))
    return (a + d) / 2, (c - b) / 2
