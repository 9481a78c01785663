"""What infinitely many wide networks would answer between the samples: Gaussian-process posteriors of wide kernels.

Lee et al. 2018, arXiv:1711.00165 (NNGP); Lee et al. 2019, arXiv:1902.06720 (NTK, after infinite time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.kernel.infinite_width import WideKernels, infinite_width

Trained = Literal["last", "all"]
LEAST_POINTS = 8


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
    Negative eigenvalues of kernels that are found by quadrature count as 0.

    x: [N, D]. y: [N, C]. z: [M, D]. noise: > 0. In float64, about 9 N^3 multiplications.
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
    values, vectors = torch.linalg.eigh((kernel + kernel.T) / 2)
    inverse = vectors / (values.clamp_min(0) + ridge[0, 0]) @ vectors.T
    weights = between @ inverse
    spread = new.covariance.diagonal() - 2 * (weights * cross.covariance).sum(1)
    spread = spread + ((weights @ _noisy(known.covariance, ridge, trained)) * weights).sum(1)
    return Posterior(weights @ y.double(), spread.clamp_min(0))


@dataclass(frozen=True)
class WideAnswers:
    """Shares of the target's energy (without its mean) at samples that infinitely wide networks were not trained on.

    nngp_left, ntk_left: what the means of both posteriors leave. gap: mean square of the field less the NNGP's mean.
    nan without enough samples.
    """

    nngp_left: float = math.nan
    ntk_left: float = math.nan
    gap: float = math.nan


def wide_answers(start: Field, now: Field, x: Tensor, y: Tensor) -> WideAnswers:
    """The posteriors of the layers of `start` from the first half of the samples, and the field `now`, on the rest.

    x: [N, D]. y: [N, C]. Raises UsageError as `infinite_width` does.
    """
    half = len(x) // 2
    if half < LEAST_POINTS:
        return WideAnswers()
    x, y = x.double(), y.double()
    middle = y[:half].mean(0)
    known, new = y[:half] - middle, y[half:] - middle
    energy = float((new - new.mean(0)).square().sum())
    if not energy > 0:
        return WideAnswers()
    with torch.no_grad():
        nngp, ntk = (wide_posterior(start, x[:half], known, x[half:], trained=way).mean for way in WAYS)
        parameter = next(now.parameters())
        mine = now(x[half:].to(parameter.device, parameter.dtype)).cpu().double() - middle
    shares = [float((a - b).square().sum()) / energy for a, b in ((nngp, new), (ntk, new), (nngp, mine))]
    return WideAnswers(*shares)


WAYS: tuple[Trained, ...] = ("last", "all")


def _of(kernels: WideKernels, trained: Trained) -> Tensor:
    return kernels.covariance if trained == "last" else kernels.tangent


def _noisy(covariance: Tensor, ridge: Tensor, trained: Trained) -> Tensor:
    """The covariance of the training targets that the answers are weighted from: with noise in Bayesian inference."""
    return covariance + ridge if trained == "last" else covariance
