"""Orthogonal polynomials in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels.polynomials import Basis


def recurrence(degree: int, basis: Basis) -> list[tuple[float, float]]:
    """(a_k, b_k) of  p_(k+1) = a_k u p_k - b_k p_(k-1)  for k = 1 ... degree - 1."""
    if basis == "chebyshev":
        return [(2.0, 1.0)] * (degree - 1)
    return [((2 * k + 1) / (k + 1), k / (k + 1)) for k in range(1, degree)]


def scales(degree: int, basis: Basis) -> Tensor | None:
    """What the polynomials of a recurrence are multiplied by, [degree + 1] in float64; None: nothing."""
    return None if basis == "chebyshev" else (2.0 * torch.arange(degree + 1, dtype=torch.float64) + 1.0).sqrt()


def polynomials(u: Tensor, degree: int, basis: Basis) -> Tensor:
    """See `inr.kernels.polynomials.polynomials`. Any device and dtype, any order of derivative, any transform."""
    terms = [torch.ones_like(u), u]
    for a, b in recurrence(degree, basis):
        terms.append(a * u * terms[-1] - b * terms[-2])
    values, scale = torch.stack(terms[: degree + 1], dim=-1), scales(degree, basis)
    return values if scale is None else values * scale.to(u)
