"""Fits a latent pyramid to a picture:  MSE + rate weight * bits per pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.codec.pyramid.architecture import Architecture
from inr.codec.pyramid.network import Networks, error, rate

GAIN = 16.0
"""Latents are trained as a sixteenth of themselves: with Adam that is a step sixteen times as large."""


@dataclass(frozen=True)
class Schedule:
    """steps: of gradient descent in all; the last `hard` of them (a share) see rounded latents.

    Until then latents are rounded softly, twice, with Gaussian noise between: temperature and deviation go linearly from
    their first value to their second. Source: Cool-chic 5.0 (Orange, 2026) for the values.
    """

    steps: int
    hard: float = 0.1
    learning_rate: float = 1e-2
    last_rate: float = 1e-5
    temperature: tuple[float, float] = (0.35, 0.08)
    deviation: tuple[float, float] = (0.22, 0.15)
    most_gradient: float = 0.1


def soft_round(x: Tensor, temperature: float) -> Tensor:
    """floor(x) + 1/2 + tanh((x - floor(x) - 1/2) / T) / (2 tanh(1 / (2 T))): between x (large T) and round(x)."""
    middle = torch.floor(x) + 0.5
    return middle + torch.tanh((x - middle) / temperature) / (2 * math.tanh(0.5 / temperature))


def train(
    architecture: Architecture,
    target: Tensor,  # [C, H, W]
    rate_weight: float,
    schedule: Schedule,
    generator: Generator,
    on_progress: Callable[[int, float], None] | None = None,
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The networks' tensors by name, and the rounded grids.

    rate_weight: lambda, with values in [0, 1]. on_progress is told the step and the loss.
    """
    networks = Networks(architecture, target.mean((1, 2)), generator)
    latents = [torch.zeros(shape, requires_grad=True) for shape in architecture.grids]
    values = networks.values()
    optimizers = [torch.optim.Adam(group, lr=1.0, fused=True) for group in (latents, networks.parameters())]
    n_pixels = architecture.height * architecture.width
    n_hard = round(schedule.steps * schedule.hard)
    n_soft = schedule.steps - n_hard
    for step in range(schedule.steps):
        is_soft = step < n_soft
        if is_soft:
            progress = step / n_soft
            temperature, deviation = (a + (b - a) * progress for a, b in (schedule.temperature, schedule.deviation))
            learning_rate = _cosine(schedule.learning_rate, schedule.last_rate, progress)
            grids = []
            for x in latents:
                noise = torch.randn(x.shape, generator=generator) * deviation
                grids.append(soft_round(soft_round(GAIN * x, temperature) + noise, temperature))
        else:
            learning_rate = _cosine(schedule.learning_rate / 100, 0.0, (step - n_soft) / n_hard)
            grids = [torch.round(GAIN * x.detach()) for x in latents]
        loss = error(architecture, values, grids, target) + rate_weight / n_pixels * rate(architecture, values, grids)
        for optimizer in optimizers if is_soft else optimizers[1:]:
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = learning_rate
        loss.backward()
        torch.nn.utils.clip_grad_norm_(networks.parameters(), schedule.most_gradient)
        for optimizer in optimizers if is_soft else optimizers[1:]:
            optimizer.step()
        if on_progress is not None:
            on_progress(step + 1, float(loss.detach()))
    return {name: value.detach() for name, value in values.items()}, [torch.round(GAIN * x.detach()) for x in latents]


def _cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))
