"""The eigenvalues of a kernel matrix, and numbers that summarise them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.ntk.kernel.matrix import Kernel


@dataclass(frozen=True)
class Spectrum:
    """Theta = U diag(values) U^T in float64.

    values: descending [M], negative ones (rounding) set to 0. vectors: U [M, M]. least: the smallest eigenvalue (before
    that) over the largest, normally >= about -1e-15. floor: smaller values are rounding noise: lambda_1 M eps, eps of
    the type that the derivatives were computed in. n_above: the number of values above it.
    """

    values: Tensor
    vectors: Tensor
    least: float
    floor: float

    @property
    def n_above(self) -> int:
        return int((self.values > self.floor).sum())


@dataclass(frozen=True)
class Ranks:
    """Effective numbers of modes of a kernel; each is at most the next.

    stable: tr / lambda_1. participation: tr^2 / |Theta|_F^2. entropy: exp(-sum p ln p), p = lambda / tr.
    numerical: eigenvalues above the noise floor.
    """

    stable: float
    participation: float
    entropy: float
    numerical: int


def spectrum(kernel: Kernel | Tensor, *, dtype: torch.dtype | None = None) -> Spectrum:
    """Eigenvalues and vectors of a kernel, by a dense solver in float64 (about 10 M^3 operations).

    kernel: the result of `tangent_kernel`, or a symmetric matrix [M, M]. dtype: of the computation of its
    entries, which sets the noise floor; None: the matrix' own.
    """
    matrix = kernel.matrix if isinstance(kernel, Kernel) else kernel
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"the kernel has shape {tuple(matrix.shape)}, expected a square matrix")
    eps = torch.finfo(dtype or matrix.dtype).eps
    values, vectors = torch.linalg.eigh(matrix.double())
    values, vectors = values.flip(0), vectors.flip(1)
    largest = float(values[0])
    least = float(values[-1]) / largest if largest > 0 else 0.0
    return Spectrum(values.clamp_min(0), vectors, least, max(largest, 0.0) * len(values) * eps)


def ranks(spec: Spectrum) -> Ranks:
    """Effective ranks, see `Ranks`; all 0 for a kernel of zeros."""
    values = spec.values
    total = float(values.sum())
    if total == 0:
        return Ranks(0.0, 0.0, 0.0, 0)
    p = values / total
    entropy = math.exp(-float(torch.xlogy(p, p).sum()))
    return Ranks(total / float(values[0]), total**2 / float(values.square().sum()), entropy, spec.n_above)


def modes_for(share: float, amounts: Tensor) -> int:
    """The least k so that the first k amounts [M] (>= 0) have `share` of their sum; 0 if the sum is 0."""
    total = amounts.cumsum(0)
    if float(total[-1]) <= 0:
        return 0
    return min(len(amounts), int((total < share * total[-1] * (1 - 1e-12)).sum()) + 1)


def condition(spec: Spectrum, amounts: Tensor | None = None, share: float = 0.99) -> float:
    """lambda_1 / lambda_k, k the least index by which `share` of the amounts is reached; inf if lambda_k is noise.

    amounts: [M] per mode, None: the eigenvalues (then 99 % of the trace); for a target c_i^2 of `alignment`. Not
    lambda_1 / lambda_M, which is only rounding noise.
    """
    k = modes_for(share, spec.values if amounts is None else amounts)
    if k == 0 or float(spec.values[k - 1]) <= spec.floor:
        return math.inf
    return float(spec.values[0] / spec.values[k - 1])
