"""What infinitely many wide networks would answer between the samples: Gaussian-process posteriors of wide kernels.

Lee et al. 2018, arXiv:1711.00165 (NNGP); Lee et al. 2019, arXiv:1902.06720 (NTK, after infinite time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.kernel.infinite_width import WideKernels, infinite_width

Trained = Literal["last", "all"]


@dataclass(frozen=True)
class Posterior:
    """mean: [M, C]. variance: of each answer over random initialisations [M], >= 0."""

    mean: Tensor
    variance: Tensor


def wide_posterior(
    field: Field, x: Tensor, y: Tensor, z: Tensor, *, noise: float = 1e-6, trained: Trained = "last"
) -> Posterior:
    """The answers at points z of infinitely wide networks of the field's architecture that were trained on (x, y).

    trained: "last": only the last layer is trained, which is Bayesian inference with the NNGP's covariance K; "all":
    gradient descent for infinite time on all layers, with the tangent kernel Theta.

        A = K(z, x) (K(x, x) + s I)^-1        mean = A y        variance = diag(K(z, z) - A K(x, z))       "last"
        A = Theta(z, x) (Theta(x, x) + s I)^-1                  mean = A y
        variance = diag(K(z, z) - 2 A K(x, z) + A K(x, x) A^T)                                             "all"

    s is `noise` times the mean of the kernel's diagonal: the variance of noise in y, and a ridge against rounding.

    x: [N, D]. y: [N, C]. z: [M, D]. noise: > 0. In float64, N^3 / 3 multiplications.
    Raises UsageError for shapes that do not fit, and as `infinite_width` for other fields.
    """
    if len(y) != len(x) or y.ndim != 2 or not noise > 0:
        raise UsageError(
            f"{len(x)} points have targets of shape {tuple(y.shape)} and noise {noise}, expected [N, C], > 0"
        )
    if trained not in ("last", "all"):
        raise UsageError(f"`trained` is {trained!r}, expected 'last' or 'all'")
    known, cross, new = (infinite_width(field, a, b) for a, b in ((x, x), (z, x), (z, z)))
    kernel, between = (_of(k, trained) for k in (known, cross))
    ridge = noise * kernel.diagonal().mean() * torch.eye(len(x), dtype=kernel.dtype)
    factor = torch.linalg.cholesky(kernel + ridge)
    weights = torch.cholesky_solve(between.T, factor).T
    spread = new.covariance.diagonal() - 2 * (weights * cross.covariance).sum(1)
    spread = spread + ((weights @ _noisy(known.covariance, ridge, trained)) * weights).sum(1)
    return Posterior(weights @ y.double(), spread.clamp_min(0))


def _of(kernels: WideKernels, trained: Trained) -> Tensor:
    return kernels.covariance if trained == "last" else kernels.tangent


def _noisy(covariance: Tensor, ridge: Tensor, trained: Trained) -> Tensor:
    """The covariance of the training targets that the answers are weighted from: with noise in Bayesian inference."""
    return covariance + ridge if trained == "last" else covariance
