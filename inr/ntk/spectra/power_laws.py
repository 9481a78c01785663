"""How fast the eigenvalues and the target fall, as powers of the mode's number, and what loss curve that implies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.ntk.spectra.spectrum import Spectrum

FIRST, SHARE, LEAST = 4, 0.5, 12
"""The fit leaves out the first modes, and the last half, which the finite number of points bends; modes it needs."""
PLACES = 40
"""Modes of the fit, at equal distances in log k."""
STRAIGHT = 0.95
"""Least R^2 of both lines for which the exponents are called power laws."""


@dataclass(frozen=True)
class PowerLaws:
    """Exponents of lines in log-log plots over the mode's number k, and the R^2 of both lines.

    capacity: alpha in lambda_k ~ k^-alpha. tail: beta in E(k) ~ k^-beta, the share of the target's energy behind mode
    k. Both fits are over the same modes.
    """

    capacity: float
    tail: float
    fit_of_values: float
    fit_of_target: float

    @property
    def source(self) -> float:
        """r = beta / (2 alpha): above 1/2 the target lies in the kernel's function space, below it does not."""
        return self.tail / (2 * self.capacity)

    @property
    def loss(self) -> float:
        """p in loss(t) ~ t^-p of gradient descent: modes with lambda_k t > 1 are learned, so p = beta / alpha = 2 r."""
        return self.tail / self.capacity

    @property
    def holds(self) -> bool:
        """Whether both are lines."""
        return min(self.fit_of_values, self.fit_of_target) >= STRAIGHT and self.capacity > 0


def power_laws(spec: Spectrum, coefficients: Tensor) -> PowerLaws | None:
    """The exponents of a spectrum and of a target's coefficients [M] in its eigenbasis; None: too few modes.

    Source: Caponnetto and De Vito 2007, "Optimal rates for the regularized least-squares algorithm" (capacity and
    source conditions); Velikanov and Yarotsky 2021, arXiv:2105.00507 (the loss of gradient descent).
    """
    if coefficients.shape != spec.values.shape:
        raise UsageError(
            f"{len(coefficients)} coefficients are given, expected one for each of {len(spec.values)} modes"
        )
    last = min(int(SHARE * len(spec.values)), spec.n_above - 1)
    if last - FIRST < LEAST:
        return None
    places = torch.logspace(math.log10(FIRST), math.log10(last), PLACES, dtype=torch.float64).tolist()
    k = torch.tensor(sorted({round(place) for place in places}))
    energy = coefficients.double().square()
    tail = energy.flip(0).cumsum(0).flip(0)[1:]  # behind mode 1, 2, ...
    if float(tail[last - 1]) <= 0:
        return None
    capacity, of_values = _line(k, spec.values[k - 1])
    beta, of_target = _line(k, tail[k - 1])
    return PowerLaws(capacity, beta, of_values, of_target)


def effective_dimension(spec: Spectrum, ridge: float) -> float:
    """sum_k lambda_k / (lambda_k + ridge): modes that a regression with this ridge > 0 follows, between 0 and M.

    Zhang 2005, "Learning bounds for kernel regression using effective data dimensionality". With early stopping after
    t steps of size eta the ridge is about M / (2 eta t).
    """
    if not ridge > 0:
        raise UsageError(f"the ridge is {ridge:g}, expected a number > 0")
    return float((spec.values / (spec.values + ridge)).sum())


def _line(k: Tensor, y: Tensor) -> tuple[float, float]:
    """The exponent a of y ~ k^-a by least squares of logarithms, and R^2."""
    u, v = k.double().log(), y.clamp_min(1e-300).log()
    u, v = u - u.mean(), v - v.mean()
    slope = float((u @ v) / (u @ u))
    total = float(v @ v)
    rest = float((v - slope * u).square().sum())
    return -slope, 1 - rest / total if total > 0 else 0.0
