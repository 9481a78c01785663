"""Trains a latent pyramid on a picture:  distortion + rate weight * bits per pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from inr.codec.profiles.pyramid.architecture import Architecture
from inr.codec.profiles.pyramid.distortion import Distortion, squared
from inr.codec.profiles.pyramid.network import Networks, rate
from inr.core.errors import UsageError
from inr.fitting.optimizer_state import by_prefix, optimizer_state, restore_optimizer
from inr.fitting.optimizers.adam import FusedAdam
from inr.fitting.optimizers.soap import SoapOptimizer
from inr.kernels.noisy_round import noisy_round
from inr.kernels.row_share import ALL, RowShare
from inr.kernels.threads import torch_on_one_thread

GAIN = 16.0
"""Latents are trained divided by 16, which makes the steps of Adam 16 times larger."""
LATENT_RATE, NETWORK_RATE = 1e-2, 3e-2
LATENT_BETAS = 0.8, 0.97
"""Decay of both moments of the latents' Adam. Runs of a few thousand steps are too short for the usual 0.999."""
BRIEF, BRIEF_BETAS = 100, (0.6, 0.9)
"""In runs of fewer steps: a latent has to cross from one integer to the next in a few of them."""
LONG, LAST_BETA = 4000, 0.999
"""In runs of so many steps or more the second decay rises to this one."""
RISE, GUARDED = 1.5, 20
"""A rise of the loss by this factor takes the networks back to where they were up to so many steps before."""
LAST = 1e-3
"""The learning rates fall to this part of their first values."""
WARM_UP = 40, 1 / 6
"""Warm-up of the networks: this many steps, at most this part of a run. Without it a colour channel can die."""
TEMPERATURE, DEVIATION = (0.4, 0.06), (0.22, 0.15)
LOW_DEVIATION = 0.1, 0.1
"""The noise of short runs, which would not recover from more."""
HARD_SHARE, HARD_RATE = 0.1, 2e-4
SHARED, HARD_SHARED = 2, 4
"""On a CPU the networks' gradients come from every so many pairs of rows in turn, but not in brief runs; see `Pace`."""
SETTLING = 0.1
"""The first part of the steps, in which the rate weight stays constant."""
CONTROL_GAIN = 12.0
LARGEST_FACTOR = 100.0
"""Largest factor by which the rate weight may change, up or down."""


@dataclass(frozen=True)
class Pace:
    """Learning rates of a run, and what its networks' gradients come from.

    latent_rate, network_rate: the first ones; hard_rate: of the networks, with rounded latents. decay: the power of the
    cosine by which the networks' rate falls. shared, hard_shared: of every so many pairs of rows one counts, on a CPU;
    soft and hard.
    """

    latent_rate: float = LATENT_RATE
    network_rate: float = NETWORK_RATE
    hard_rate: float = HARD_RATE
    decay: float = 1.0
    shared: int = SHARED
    hard_shared: int = HARD_SHARED


FROM_START = Pace(latent_rate=1.3e-2, network_rate=1e-2, hard_rate=2e-3, decay=0.3, hard_shared=SHARED)
"""For a few steps from networks that are nearly right: larger steps of theirs at first would lose what they know."""

OnStep = Callable[[float, float, float], None]
"""Called with the part of the steps that is done, bits per pixel, and the mean squared error."""


@dataclass
class RateController:
    """The rate weight, and the target that it is adjusted to: bits per pixel, an error, or none (a constant weight).

    d log weight / dt = CONTROL_GAIN log(found / target), with t from 0 to 1 over a run.
    """

    weight: float
    bpp: float | None = None
    mse: float | None = None

    def __post_init__(self) -> None:
        self.start = self.weight

    def fix(self, factor: float) -> None:
        """Multiply the weight by a factor and keep it constant."""
        self.weight *= factor
        self.bpp = self.mse = None

    def update(self, bpp: float, mse: float, part: float) -> None:
        """Adjust the weight after a step. part: the share of the run that this step is."""
        if self.bpp is not None:
            self.weight *= (bpp / self.bpp) ** (CONTROL_GAIN * part)
        elif self.mse is not None:
            self.weight *= (self.mse / mse) ** (CONTROL_GAIN * part)
        self.weight = min(max(self.weight, self.start / LARGEST_FACTOR), self.start * LARGEST_FACTOR)


class Trainer:
    """Latents and networks in training. A run is `soft` steps, then `hard` steps; both can be repeated."""

    def __init__(
        self,
        architecture: Architecture,
        target: Tensor,
        rate_controller: RateController,
        generator: Generator,
        networks: Networks | None = None,
        deviation: tuple[float, float] = DEVIATION,
        distortion: Distortion = squared,
    ) -> None:
        """target: [C, H, W] in [0, 1]. Training runs on its device; random numbers are drawn on the CPU.

        networks: those to train, instead of new ones. deviation: of the noise, at first and at last. distortion: what
        is trained for, beside the rate.
        """
        self.architecture, self.target, self.rate_controller = architecture, target, rate_controller
        self._deviation, self.distortion = deviation, distortion
        self._seed = int(torch.randint(2**62, (), generator=generator))
        self._step = 0
        self._pace: Pace | None = None
        self.at = 0
        """Steps of the present part of a run, soft or hard, that are done."""
        self._guard = Guard(self)
        if networks is None:
            networks = Networks(architecture, target.cpu(), rate_controller.weight, generator)
        self.networks = networks.to(target.device)
        self.latents = [torch.zeros(shape, device=target.device, requires_grad=True) for shape in architecture.grids]
        self._latent_optimizer = FusedAdam(self.latents, betas=LATENT_BETAS, fused=True)
        self._network_optimizer = SoapOptimizer(self.networks.parameters())
        self._n_pixels = architecture.height * architecture.width

    @property
    def values(self) -> dict[str, Tensor]:
        """The networks' tensors by name."""
        return self.networks.values()

    def keep_pace(self, pace: Pace) -> None:
        """Train at this pace. By default it is that of `Pace`, with gradients from all rows in brief runs."""
        self._pace = pace

    def start_from(self, latents: Sequence[Tensor]) -> None:
        """Replace the latents."""
        with torch.no_grad():
            for own, given in zip(self.latents, latents, strict=True):
                own.copy_(given / GAIN)

    def grids(self) -> list[Tensor]:
        """The latents, rounded."""
        return [torch.round(GAIN * x.detach()) for x in self.latents]

    @torch_on_one_thread()
    def soft(self, steps: int, on_step: OnStep | None = None, first: float = 1.0, start: int = 0) -> None:
        """Gradient descent with soft rounding of the latents, applied twice with Gaussian noise in between.

        Temperature and deviation change linearly from their first value to their second; learning rates fall by a
        cosine from `first` of their value to nearly 0, those of the networks after a warm-up. Source: the schedule of
        Cool-chic 5.0 (Orange, 2026), except for its last temperature and the warm-up. start: the first step, of a
        part that is continued.
        """
        warm_up, pace = min(WARM_UP[0], WARM_UP[1] * steps), self._pace_of(steps)
        if start == 0:
            self._guard = Guard(self)
        guard, self.at = self._guard, start
        for step in range(start, steps):
            progress = step / steps
            at = 1 - first + first * progress
            temperature, deviation = (a + (b - a) * at for a, b in (TEMPERATURE, self._deviation))
            cosine = 0.5 * (1 + math.cos(math.pi * progress))
            factor, network_factor = (first * (LAST + (1 - LAST) * part) for part in (cosine, cosine**pace.decay))
            grids = self.noisy_grids(temperature, deviation)
            self._latent_optimizer.zero_grad()
            bpp, mse = self._descend(grids, self._share(pace.shared, self._step))
            if guard.is_worse(bpp, mse):
                self._network_optimizer = SoapOptimizer(self.networks.parameters())
            else:
                self._latent_optimizer.param_groups[0]["lr"] = pace.latent_rate * factor
                self._latent_optimizer.param_groups[0]["betas"] = latent_betas(progress, steps)
                self._latent_optimizer.step()
                self._step_networks(pace.network_rate * guard.part * network_factor * min(1.0, self._step / warm_up))
            if progress > SETTLING:
                self.rate_controller.update(bpp, mse, first / steps)
            self.at = step + 1
            if on_step is not None:
                on_step((step + 1) / steps, bpp, mse)

    @torch_on_one_thread()
    def hard(self, steps: int, on_step: OnStep | None = None, start: int = 0) -> None:
        """Gradient descent of the networks only, with rounded latents. start: as in `soft`."""
        grids, self.at, pace = self.grids(), start, self._pace_of(steps)
        for step in range(start, steps):
            bpp, mse = self._descend(grids, self._share(pace.hard_shared, step))
            self._step_networks(pace.hard_rate * 0.5 * (1 + math.cos(math.pi * step / steps)))
            self.at = step + 1
            if on_step is not None:
                on_step((step + 1) / steps, bpp, mse)

    def _step_networks(self, lr: float) -> None:
        self._network_optimizer.param_groups[0]["lr"] = lr
        self._network_optimizer.step()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All that the next steps depend on, as JSON and tensors."""
        controller = self.rate_controller
        document: dict[str, Any] = {
            "at": self.at, "drawn": self._step, "seed": self._seed,
            "weight": controller.weight, "bpp": controller.bpp, "mse": controller.mse,
            "guard": self._guard.numbers,
        }  # fmt: skip
        tensors = {f"latent.{i}": x.detach().clone() for i, x in enumerate(self.latents)}
        tensors |= {f"network.{name}": value.detach().clone() for name, value in self.values.items()}
        tensors |= {f"kept.{name}": value for name, value in self._guard.kept.items()}
        for name, optimizer in self._optimizers.items():
            document[name], own = optimizer_state(optimizer)
            tensors |= {f"{name}.{key}": value for key, value in own.items()}
        return document, tensors

    def restore(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue from a state. Raises UsageError, KeyError, TypeError, ValueError or RuntimeError for another one."""
        groups = by_prefix(tensors)
        latents, networks = groups["latent"], groups["network"]
        kept = groups.get("kept", {})
        own = {name: tuple(value.shape) for name, value in self.values.items()}
        shapes = [{name: tuple(value.shape) for name, value in given.items()} for given in (networks, kept) if given]
        found = [tuple(latents[str(i)].shape) for i in range(len(self.latents))]
        if any(given != own for given in shapes) or found != list(self.architecture.grids):
            raise UsageError("the state is of another pyramid")
        with torch.no_grad():
            for i, x in enumerate(self.latents):
                x.copy_(latents[str(i)])
        self.networks.start_from(networks)
        self.at, self._step, self._seed = int(document["at"]), int(document["drawn"]), int(document["seed"])
        controller = self.rate_controller
        controller.weight, controller.bpp, controller.mse = (document[key] for key in ("weight", "bpp", "mse"))
        self._guard = Guard(self)
        self._guard.restore(document["guard"], kept)
        for name, optimizer in self._optimizers.items():
            given = {key.removeprefix("optimizer."): value for key, value in groups.get(name, {}).items()}
            restore_optimizer(optimizer, document[name], given)

    @property
    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"latent_optimizer": self._latent_optimizer, "network_optimizer": self._network_optimizer}

    def noisy_grids(self, temperature: float, deviation: float) -> list[Tensor]:
        """The latents, rounded softly and with noise, for the next step."""
        grids, first = [], 0
        for x in self.latents:
            grids.append(noisy_round(GAIN * x, temperature, deviation, self._seed, self._step, first))
            first += x.numel()
        self._step += 1
        return grids

    def _pace_of(self, steps: int) -> Pace:
        """The pace of so many steps."""
        return self._pace or (Pace() if steps >= BRIEF else Pace(shared=1, hard_shared=1))

    def _share(self, every: int, turn: int) -> RowShare:
        """The rows that the networks learn from in one step."""
        return RowShare(every, turn) if every > 1 and self.target.device.type == "cpu" else ALL

    def _descend(self, grids: list[Tensor], share: RowShare) -> tuple[float, float]:
        """Gradients of the loss; bits per pixel and mean squared error. share: of the rows, for the networks."""
        self._network_optimizer.zero_grad()
        bpp = rate(self.architecture, self.values, grids, share) / self._n_pixels
        distortion, mse = self.distortion(self.architecture, self.values, grids, self.target, share)
        torch.autograd.backward(distortion + self.rate_controller.weight * bpp)
        return float(bpp.detach()), mse


def latent_betas(progress: float, steps: int) -> tuple[float, float]:
    """The decays of the latents' Adam at a part of a run: 1 - beta2 falls as a power of progress in long runs."""
    beta1, beta2 = LATENT_BETAS if steps >= BRIEF else BRIEF_BETAS
    if steps < LONG:
        return beta1, beta2
    return beta1, 1 - (1 - beta2) * ((1 - LAST_BETA) / (1 - beta2)) ** progress


class Guard:
    """Takes the networks back when their steps have made the loss much worse. part: of their learning rate."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self.part, self._age = trainer, 1.0, 0
        self.kept: dict[str, Tensor] = {}
        self._found: tuple[float, float] | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """Its state but for `kept`, as JSON."""
        return {"part": self.part, "age": self._age, "found": self._found}

    def restore(self, numbers: Mapping[str, Any], kept: Mapping[str, Tensor]) -> None:
        """Continue from a state."""
        self.part, self._age, self.kept = float(numbers["part"]), int(numbers["age"]), dict(kept)
        found = numbers["found"]
        self._found = None if found is None else (float(found[0]), float(found[1]))

    def is_worse(self, bpp: float, mse: float) -> bool:
        """Whether the loss is RISE times that of the last kept state; then that state is back, and `part` halved."""
        weight = self._trainer.rate_controller.weight
        most = math.inf if self._found is None else RISE * (self._found[1] + weight * self._found[0])
        if self.kept and not mse + weight * bpp <= most:
            self._trainer.networks.start_from(self.kept)
            self.part /= 2
            self._found, self._age = None, 0  # the latents have moved on: the next loss is the measure
            return True
        if self._age % GUARDED == 0:
            self.kept = {name: value.detach().clone() for name, value in self._trainer.values.items()}
            self._found = bpp, mse
        self._age += 1
        return False
