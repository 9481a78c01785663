"""What gradient descent will do, as predicted by the kernel at one moment.

The loss is L = |r|^2 / M with r = f - y and M = N C numbers. Linearised, a step of size eta takes r to
(I - 2 eta Theta / M) r, so the coefficient of eigenvector i is multiplied by 1 - 2 eta lambda_i / M. With a
preconditioner W (Adam with frozen second moments) the same holds for Theta = J W J^T. Kernels of reduced channels
("mean", "sum") have M = N.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.ntk.spectra.alignment import Alignment
from inr.ntk.spectra.spectrum import Spectrum


def rates(values: Tensor, size: int, lr: float) -> Tensor:
    """1 - 2 lr values / size: the factor of each mode in a step; it diverges beyond +-1.

    values: eigenvalues, or kappa(omega) of frequencies [k]. size: M, the number of values that the loss is a mean over.
    """
    return 1 - 2 * lr * values.double() / size


def time_constants(values: Tensor, size: int, lr: float) -> Tensor:
    """tau = M / (2 lr lambda) steps [k] until a mode has fallen by a factor e (small steps); inf if lambda is 0."""
    return size / (2 * lr * values.double())


def predicted_residual(found: Alignment, spec: Spectrum, lr: float, steps: int) -> Tensor:
    """r_t = U (1 - 2 lr lambda / M)^t U^T r_0 [M] after t steps from r_0 = values - targets, the target of `found`."""
    left = rates(spec.values, len(spec.values), lr).pow(steps)
    return spec.vectors @ (left * found.coefficients)


def predicted_losses(found: Alignment, spec: Spectrum, lr: float, steps: Tensor) -> Tensor:
    """The mean square of the residual [T] after each of `steps` [T] (int64), from r_0 the target of `found`."""
    m = len(spec.values)
    left = rates(spec.values, m, lr)
    return torch.stack([(left.pow(int(t)) * found.coefficients).square().sum() / m for t in steps])


def predicted_loss_of_modes(found: Alignment, spec: Spectrum, lr: float, steps: Tensor, groups: Tensor) -> Tensor:
    """The same by group of modes [T, G]. groups: the group 0..G-1 of every eigenvalue [M]."""
    m = len(spec.values)
    left = rates(spec.values, m, lr)
    n_groups = int(groups.max()) + 1
    rows = [(left.pow(int(t)) * found.coefficients).square() / m for t in steps]
    return torch.stack([torch.zeros(n_groups, dtype=r.dtype).index_add(0, groups, r) for r in rows])


def octaves(values: Tensor) -> Tensor:
    """The octave of each eigenvalue below the largest [M]: floor(log2(lambda_1 / lambda)), at most 63."""
    ratio = values[0] / values.clamp_min(torch.finfo(values.dtype).tiny)
    return ratio.log2().floor().clamp(0, 63).long()


@dataclass(frozen=True)
class Sharpness:
    """value: (2 / M) lambda_1, the curvature of the loss without the part that vanishes for an exact fit.

    limit: 2 / lr, above which gradient descent is unstable. ratio: value / limit. is_at_edge: ratio >= 0.8.
    """

    value: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.value / self.limit

    @property
    def is_at_edge(self) -> bool:
        return self.ratio >= 0.8


def sharpness(largest: float, size: int, lr: float) -> Sharpness:
    """largest: lambda_1. size: M. lr: > 0 (with a preconditioned kernel, the optimizer's rate)."""
    return Sharpness(2 * largest / size, 2 / lr if lr > 0 else math.inf)


def adam_weights(
    second_moments: Mapping[str, Tensor], *, step: int, beta2: float = 0.999, eps: float = 1e-8
) -> dict[str, Tensor]:
    """W = 1 / (sqrt(v / (1 - beta2^step)) + eps) by parameter name, for `tangent_kernel(weights=...)`.

    Kingma and Ba 2015, arXiv:1412.6980. second_moments: Adam's running means v of squared gradients by parameter name,
    after `step` >= 1 steps. Their change over time and momentum are left out.
    """
    correction = 1 - beta2**step
    return {name: 1 / ((v.double() / correction).sqrt() + eps) for name, v in second_moments.items()}
