"""Fits a latent pyramid to a picture:  MSE + rate weight * bits per pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.codec.pyramid.architecture import Architecture
from inr.codec.pyramid.network import Networks, error, rate
from inr.codec.soap import Soap
from inr.kernels.noisy_round import noisy_round

GAIN = 16.0
"""Latents are trained as a sixteenth of themselves: with Adam that is a step sixteen times as large."""
LATENT_RATE, NETWORK_RATE = 1e-2, 2e-2
LAST = 1e-3
"""What the rates fall to."""
WARM_UP = 40, 1 / 6
"""Steps, and at most what part of a run, until networks have their full rate: at once it may kill a colour."""
TEMPERATURE, DEVIATION = (0.4, 0.06), (0.22, 0.15)
HARD_SHARE, HARD_RATE = 0.1, 2e-4
SETTLING = 0.1
"""The part of the steps before the rate weight is steered."""
STIFFNESS = 12.0
RANGE = 100.0
"""How far the rate weight may be turned from where it was, up or down."""

OnStep = Callable[[float, float, float], None]
"""Told the part that is over, bits per pixel, and the mean squared error."""


@dataclass
class Steering:
    """The weight of the rate, and what it is to lead to: bits per pixel, an error, or nothing (then it stays).

    A target is held by turning the weight: d log weight / dt = STIFFNESS log(found / wanted), t from 0 to 1 over a run.
    """

    weight: float
    bpp: float | None = None
    mse: float | None = None

    def __post_init__(self) -> None:
        self.start = self.weight

    def hold(self, factor: float) -> None:
        """A weight `factor` times as large, that stays."""
        self.weight *= factor
        self.bpp = self.mse = None

    def turn(self, bpp: float, mse: float, part: float) -> None:
        """part: of the run, that this step is."""
        if self.bpp is not None:
            self.weight *= (bpp / self.bpp) ** (STIFFNESS * part)
        elif self.mse is not None:
            self.weight *= (self.mse / mse) ** (STIFFNESS * part)
        self.weight = min(max(self.weight, self.start / RANGE), self.start * RANGE)


class Trainer:
    """Latents and networks on their way. A run is `soft` steps, then `hard` ones; both may follow again."""

    def __init__(self, architecture: Architecture, target: Tensor, steering: Steering, generator: Generator) -> None:
        """target: [C, H, W] in [0, 1]. Everything is trained where it is; what is random is drawn on the CPU."""
        self.architecture, self.target, self.steering = architecture, target, steering
        self._seed = int(torch.randint(2**62, (), generator=generator))
        self._step = 0
        self._networks = Networks(architecture, target.cpu(), steering.weight, generator).to(target.device)
        self._latents = [torch.zeros(shape, device=target.device, requires_grad=True) for shape in architecture.grids]
        self._latent_optimizer = torch.optim.Adam(self._latents, fused=True)
        self._network_optimizer = Soap(self._networks.parameters())
        self._n_pixels = architecture.height * architecture.width

    @property
    def values(self) -> dict[str, Tensor]:
        """The networks' tensors by name."""
        return self._networks.values()

    def grids(self) -> list[Tensor]:
        """The latents, rounded."""
        return [torch.round(GAIN * x.detach()) for x in self._latents]

    def soft(self, steps: int, on_step: OnStep | None = None, first: float = 1.0) -> None:
        """Gradient descent with latents that are rounded softly, twice, with Gaussian noise between.

        Temperature and deviation go linearly from their first value to their second, learning rates by a cosine from
        `first` of theirs to nearly nothing, that of the networks after a warm-up. Source: the schedule of Cool-chic 5.0
        (Orange, 2026), but for its last temperature and the warm-up.
        """
        warm_up = min(WARM_UP[0], WARM_UP[1] * steps)
        for step in range(steps):
            progress = step / steps
            at = 1 - first + first * progress
            temperature, deviation = (a + (b - a) * at for a, b in (TEMPERATURE, DEVIATION))
            factor = first * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * progress)))
            grids = self._noisy(temperature, deviation)
            self._latent_optimizer.zero_grad()
            bpp, mse = self._descend(grids)
            self._latent_optimizer.param_groups[0]["lr"] = LATENT_RATE * factor
            self._latent_optimizer.step()
            self._network_optimizer.step(NETWORK_RATE * factor * min(1.0, self._step / warm_up))
            if progress > SETTLING:
                self.steering.turn(bpp, mse, first / steps)
            if on_step is not None:
                on_step((step + 1) / steps, bpp, mse)

    def hard(self, steps: int, on_step: OnStep | None = None) -> None:
        """Gradient descent of the networks alone, for latents that are rounded."""
        grids = self.grids()
        for step in range(steps):
            bpp, mse = self._descend(grids)
            self._network_optimizer.step(HARD_RATE * 0.5 * (1 + math.cos(math.pi * step / steps)))
            if on_step is not None:
                on_step((step + 1) / steps, bpp, mse)

    def _noisy(self, temperature: float, deviation: float) -> list[Tensor]:
        grids, first = [], 0
        for x in self._latents:
            grids.append(noisy_round(GAIN * x, temperature, deviation, self._seed, self._step, first))
            first += x.numel()
        self._step += 1
        return grids

    def _descend(self, grids: list[Tensor]) -> tuple[float, float]:
        """Gradients of the loss; bits per pixel and error."""
        self._network_optimizer.zero_grad()
        bpp = rate(self.architecture, self.values, grids) / self._n_pixels
        mse = error(self.architecture, self.values, grids, self.target)
        torch.autograd.backward(mse + self.steering.weight * bpp)
        return float(bpp.detach()), float(mse.detach())
