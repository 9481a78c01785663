"""What gradient descent and Adam leave of each mode or band after a number of steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ADAM_EDGE = 38.0
"""Adam (b1 = 0.9) holds the preconditioned sharpness at 38 / lr at most.  Cohen et al. 2022, arXiv:2207.14484."""
MOST_STEPS = 4000
"""Longer runs are computed in strides of several steps."""
BEYOND = 20
"""Runs are computed to this many times their length, to find when each band would be learned."""


@dataclass(frozen=True)
class TrainingPlan:
    """The part of a field's training that a forecast is about.

    steps: to come. lr: the largest learning rate. lr_encoding: that of the encoding; None: lr. factor: of the schedule,
    at a fraction in [0, 1] of the run. done: steps taken before. batch: points per step. optimizer: a name; the
    forecast is for Adam with `beta2` and `eps`.
    """

    steps: int
    lr: float
    batch: int = 16384
    optimizer: str = "adam"
    beta2: float = 0.999
    eps: float = 1e-8
    lr_encoding: float | None = None
    done: int = 0
    factor: Callable[[float], float] = lambda fraction: 1.0


@dataclass(frozen=True)
class Forecast:
    """left: the share of each band's energy after the run [B]. half: the step at which half is left [B]; inf: not
    within 20 times the run."""

    left: Tensor
    half: Tensor


def forecast_descent(kappa: Tensor, size: int, lr: float, steps: int) -> Forecast:
    """Gradient descent: energies are multiplied by (1 - 2 lr kappa / size)^2 in each step.

    size: M, the number of values that the loss is a mean over. 2 lr kappa / size is clamped to 1.
    """
    x = (2 * lr * kappa.double() / size).clamp(0, 1)
    left = (1 - x).pow(2 * steps)
    half = torch.where(x > 0, math.log(0.5) / (2 * torch.log1p(-x.clamp_max(1 - 1e-12))), torch.inf).clamp_min(1)
    return Forecast(left, half)


def forecast_adam(
    kappa: Tensor,
    preconditioned: Tensor,
    energy: Tensor,
    trace: float,
    size: int,
    points: int,
    plan: TrainingPlan,
    ratio: float = 1.0,
) -> Forecast:
    """Adam: a preconditioner of fixed shape, scaled by the size of the gradients.

        R_b <- R_b (1 - 2 lr s kappaP_b / M)^2,  s = sqrt(1 / v),  v <- b2 v + (1 - b2) G / G_0 ratio  (debiased)
        G = sum_b (kappa_b + (1 - B / N) tr / B) R_b

    G is the mean square gradient of a batch of B of N points, up to a factor: that of the mean loss, and the batch's
    noise. A constant W would be wrong late in a run, as gradients shrink with the residual. Momentum is left out; rates
    are limited by Adam's edge of stability.

    kappa, preconditioned: Theta and J W J^T by band or mode [B], W = 1 / (sqrt(v_0) + eps). ratio: the mean square
    gradient now over v_0, a mean over the `plan.done` steps before. energy: R_b at the start [B]. trace: of Theta over
    N points. size: M = N C.
    """
    # NumPy, for thousands of steps on a few numbers
    least, bent, start = (t.detach().double().clamp_min(0).cpu().numpy() for t in (kappa, preconditioned, energy))
    rate = 2 * plan.lr * bent / size
    batch = min(plan.batch, points)
    gain = least + (1 - batch / points) * trace / batch
    stride = max(1, math.ceil(plan.steps / MOST_STEPS))
    left, half = np.ones_like(start), np.full_like(start, np.inf)
    slope = gain * start
    first = float(slope.sum())
    if first <= 0:
        return Forecast(torch.from_numpy(left), torch.from_numpy(half))
    weight = 1 - plan.beta2**plan.done
    v, step = weight, 0
    at_end = left
    top = float(rate.max())
    mean_factor = sum(plan.factor((i + 0.5) / 32) for i in range(32)) / 32
    while step < BEYOND * plan.steps:
        keep = plan.beta2**stride
        v = keep * v + (1 - keep) * ratio * float(slope @ left) / first
        weight = keep * weight + (1 - keep)
        factor = plan.factor(step / plan.steps) if step < plan.steps else mean_factor
        scale = math.sqrt(weight / max(v, 1e-30)) * factor
        if top > 0:
            scale = min(scale, ADAM_EDGE / top)
        left = left * np.maximum(1 - rate * scale, 0) ** (2 * stride)
        step += stride
        half[(left <= 0.5) & np.isinf(half)] = step
        if step <= plan.steps:
            at_end = left
        elif np.isfinite(half).all():
            break
        if step > plan.steps:
            stride = max(stride, plan.steps // 100)
    return Forecast(torch.from_numpy(at_end), torch.from_numpy(half))
