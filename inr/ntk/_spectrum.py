"""The eigenvalues of a kernel matrix, and the numbers that sum them up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr._errors import UsageError
from inr.ntk._kernel import Kernel


@dataclass(frozen=True)
class Spectrum:
    """Theta = U diag(values) U^T in float64.

    values: descending [M], negative ones (rounding) set to 0. vectors: U [M, M]. least: the smallest eigenvalue before
    that over the largest, >= -1e-15 or so where all is well. floor: values below it are rounding noise,
    lambda_1 M eps of the type that the derivatives were computed in. n_above: how many are not.
    """

    values: Tensor
    vectors: Tensor
    least: float
    floor: float

    @property
    def n_above(self) -> int:
        return int((self.values > self.floor).sum())

    @property
    def is_noisy(self) -> bool:
        """Does the spectrum end in noise, so that nothing may be read from its tail?"""
        return self.n_above < len(self.values)


@dataclass(frozen=True)
class Ranks:
    """How many modes a kernel has, as effective numbers; each is at most the next.

    stable: tr / lambda_1. participation: tr^2 / |Theta|_F^2. entropy: exp(-sum p ln p), p = lambda / tr.
    numerical: eigenvalues above the noise floor.
    """

    stable: float
    participation: float
    entropy: float
    numerical: int


def spectrum(kernel: Kernel | Tensor, *, dtype: torch.dtype | None = None) -> Spectrum:
    """Eigenvalues and vectors of a kernel, by a dense solver in float64 (about 10 M^3 operations).

    kernel: the result of `tangent_kernel`, or a symmetric matrix [M, M]. dtype: what its entries were computed in,
    which sets the noise floor; None: the matrix' own.
    """
    matrix = kernel.matrix if isinstance(kernel, Kernel) else kernel
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"a kernel of shape {tuple(matrix.shape)} is not square")
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
    """The least k whose first k amounts [M] (>= 0) make up `share` of their sum; 0 where the sum is 0."""
    total = amounts.cumsum(0)
    if float(total[-1]) <= 0:
        return 0
    return min(len(amounts), int((total < share * total[-1] * (1 - 1e-12)).sum()) + 1)


def condition(spec: Spectrum, amounts: Tensor | None = None, share: float = 0.99) -> float:
    """lambda_1 / lambda_k, k the least index by which `share` of the amounts is reached; inf where lambda_k is noise.

    amounts: [M] per mode, None: the eigenvalues (then 99 % of the trace); for a target c_i^2 of `alignment`. Never
    lambda_1 / lambda_M, which is rounding.
    """
    k = modes_for(share, spec.values if amounts is None else amounts)
    if k == 0 or float(spec.values[k - 1]) <= spec.floor:
        return math.inf
    return float(spec.values[0] / spec.values[k - 1])
