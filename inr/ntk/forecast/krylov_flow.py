"""A run of Adam followed in the Krylov space of its residual: rates within a band differ, and bands are coupled.

With one rate per band (`forecast_adam`) a band decays like its mean, but real bands have fast modes and modes that are
never learned, so much more is left (benchmarks/forecasts.py: such forecasts were wrong by tens of dB).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.ntk.forecast.adaptive import ADAM_EDGE, BEYOND, MOST_STEPS, TrainingPlan
from inr.ntk.kernel.lanczos import Product, krylov

FEWEST, MOST = 6, 24
"""Products with the kernel; with fewer, slow modes seem faster."""
SAVED_STEPS = 12
"""Steps per factor of ten at which the residual is kept."""


@dataclass(frozen=True)
class Flow:
    """The residual after each of `steps` [T] (ascending; `at_end` is the run's last), as coefficients [T, K] of an
    orthonormal basis [K, M]."""

    basis: Tensor
    steps: tuple[int, ...]
    at_end: int
    coefficients: Tensor

    def residual(self, index: int) -> Tensor:
        """[M]."""
        return self.coefficients[index] @ self.basis


def follow(product: Product, residual: Tensor, plan: TrainingPlan, noise: float, ratio: float, products: int) -> Flow:
    """Linearised Adam with a preconditioner of fixed shape, scaled by the size of the gradients.

        r <- (I - 2 lr s / M Theta_W) r,  s = sqrt(1 / v),  v <- b2 v + (1 - b2) G / G_0 ratio  (debiased)
        G = r^T Theta_W r + noise |r|^2

    As `forecast_adam`, but with Theta_W = J W J^T, W = 1 / (sqrt(v_0) + eps), in the Krylov space of the residual
    {r, Theta_W r, Theta_W^2 r, ...}, in which the residual's fast modes are exact.

    product: Theta_W v. residual: r [M]. noise: of a batch's gradient, (1 - B / N) tr Theta_W / B. ratio: the mean of
    W g^2 now over that of W v_0. products: dimensions of the space.
    """
    m, size = len(residual), float(residual.norm())
    if size == 0:
        nothing = torch.zeros(1, m, dtype=torch.float64)
        return Flow(nothing, (plan.steps,), 0, torch.zeros(1, 1, dtype=torch.float64))
    basis, matrix = krylov(product, residual.double() / size, products)
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp_min(0)
    left = size * vectors[0]
    rates = 2 * plan.lr / m * values

    def gain() -> float:
        return float((values * left.square()).sum() + noise * left.square().sum())

    first = max(gain(), 1e-300)
    weight = 1 - plan.beta2**plan.done
    v, top, step = weight, float(rates.max()), 0
    due = saved_steps(plan.steps)
    kept = []
    mean_factor = sum(plan.factor((i + 0.5) / 32) for i in range(32)) / 32
    while step < due[-1]:
        stride = max(1, plan.steps // (MOST_STEPS if step < plan.steps else 100))
        stride = min(stride, next(d for d in due if d > step) - step)
        keep = plan.beta2**stride
        v = keep * v + (1 - keep) * ratio * gain() / first
        weight = keep * weight + (1 - keep)
        factor = plan.factor(step / plan.steps) if step < plan.steps else mean_factor
        scale = math.sqrt(weight / max(v, 1e-30)) * factor
        if top > 0:
            scale = min(scale, ADAM_EDGE / top)
        left = left * (1 - (rates * scale).clamp(0, 1)).pow(stride)
        step += stride
        if step in due:
            kept.append(vectors @ left)
    return Flow(basis, tuple(due), due.index(plan.steps), torch.stack(kept))


def saved_steps(steps: int) -> list[int]:
    """Steps up to `BEYOND` runs, `SAVED_STEPS` per tenfold, with the run's last."""
    count = math.ceil(SAVED_STEPS * math.log10(BEYOND * steps + 1))
    return sorted({steps, *(max(1, round((BEYOND * steps) ** (i / count))) for i in range(count + 1))})
