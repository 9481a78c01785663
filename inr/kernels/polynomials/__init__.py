"""Orthogonal polynomials of all degrees at once, by their recurrences."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "Basis", "polynomials"]

Basis = Literal["chebyshev", "legendre"]

# Rounding grows with the square of the degree towards the ends, where T'_k = k^2: 500^2 units in the last place.
OP = Op(
    name="polynomials",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.polynomials.reference:polynomials", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.polynomials.cpu:polynomials",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float64}),
        ),
    ),
    tolerances={torch.float64: 1e-10, torch.float32: 2e-2},
)


def polynomials(u: Tensor, degree: int, basis: Basis) -> Tensor:
    """u [*B] in [-1, 1] -> T_0 ... T_degree, or Legendre's sqrt(2k+1) P_k [*B, degree + 1], dtype of u.

    T_(k+1) = 2 u T_k - T_(k-1);  (k+1) P_(k+1) = (2k+1) u P_k - k P_(k-1). So scaled, Legendre's are orthonormal in the
    mean over [-1, 1]. Derivatives of every order; those beyond the first by the reference.
    Source: Mason and Handscomb 2003, chapter 2.

    Raises UsageError for numbers that are not real or a degree below 0; UnavailableError for a forced backend that
    cannot run the call.
    """
    if not u.dtype.is_floating_point or degree < 0:
        raise UsageError(f"polynomials of degree {degree} of {u.dtype}: expected real numbers and a degree >= 0")
    result: Tensor = OP.choose(Need.of(u)).function(u, degree, basis)
    return result
