"""Training a pyramid on a whole picture, in corrections as many as the target needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.codec.entropy import tensors
from inr.codec.profile import Floats, Payload
from inr.codec.profiles.pyramid import stream
from inr.codec.profiles.pyramid.architecture import Architecture, Array, synthesis_of, write_arch
from inr.codec.profiles.pyramid.groups import Groups, dequantised, digest
from inr.codec.profiles.pyramid.latent_trainer import BRIEF, HARD_SHARE, OnStep, Trainer
from inr.codec.profiles.pyramid.network_quantiser import quantise
from inr.codec.profiles.pyramid.sample import Sample
from inr.kernels.pyramid import Pyramid

CORRECTION = 3
"""Soft steps of a correction, in units of the hard steps that follow them."""

Reporter = Callable[[float, float], OnStep]
"""(where a part of the run starts, its share of the run) -> what the trainer calls after each step."""


class Training(ABC):
    """A pyramid in training: `run`, then `correct` as often as needed; `quantised` after each."""

    @abstractmethod
    def run(self, report: Reporter) -> None:
        """Train from the start."""

    @abstractmethod
    def correct(self, factor: float, report: Reporter) -> None:
        """Multiply the rate weight by a factor and train on."""

    def shown(self) -> Floats | None:
        """The picture of the present state, [C, rows, columns] in [0, 1]; None if only a part of it is in training."""
        return None

    @property
    def is_resumable(self) -> bool:
        """Whether it has a `state`, and can be quantised after any step."""
        return False

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All that the rest of `run` or `correct` depends on, as JSON and tensors."""
        raise NotImplementedError

    def restore(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """The next `run` or `correct` continues from a state. Raises as `Trainer.restore`."""
        raise NotImplementedError

    @abstractmethod
    def quantised(self) -> tuple[Payload, float]:
        """The payload of the present state, and the distortion of its decoded picture."""


class WholeTraining(Training):
    """Every step sees the whole picture."""

    def __init__(self, trainer: Trainer, steps: int, part: Sample | None = None) -> None:
        """part: that the networks' integers are chosen on; by default the whole picture."""
        self._part = part
        self._trainer, self._steps, self._n_hard = trainer, steps, round(HARD_SHARE * steps)
        self._is_hard = self._is_continued = False

    def run(self, report: Reporter) -> None:
        self._go(self._steps - self._n_hard, 1.0, report(0, 1 - HARD_SHARE), report(1 - HARD_SHARE, HARD_SHARE))

    def correct(self, factor: float, report: Reporter) -> None:
        if not self._is_continued:
            self._trainer.rate_controller.fix(factor)
        share = 1 / (1 + CORRECTION)
        self._go(CORRECTION * self._n_hard, 0.5, report(0, 1 - share), report(1 - share, share))

    def _go(self, n_soft: int, first: float, on_soft: OnStep, on_hard: OnStep) -> None:
        trainer, start = self._trainer, self._trainer.at if self._is_continued else 0
        if not self._is_continued:
            self._is_hard = False
        self._is_continued = False
        if not self._is_hard:
            trainer.soft(n_soft, on_soft, first, start)
            self._is_hard, start, trainer.at = True, 0, 0
        trainer.hard(self._n_hard, on_hard, start)

    @property
    def is_resumable(self) -> bool:
        return True

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        document, tensors = self._trainer.state()
        return document | {"is_hard": self._is_hard}, tensors

    def restore(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._trainer.restore(document, tensors)
        self._is_hard, self._is_continued = bool(document["is_hard"]), True

    def shown(self) -> Floats | None:
        trainer = self._trainer
        values = {name: value.detach().cpu().numpy() for name, value in trainer.values.items()}
        grids = [grid.cpu().numpy() for grid in trainer.grids()]
        rows = [strip for _, strip in Pyramid(grids, *synthesis_of(trainer.architecture, values)).strips()]
        return np.concatenate(rows, axis=1)

    def quantised(self) -> tuple[Payload, float]:
        trainer, architecture = self._trainer, self._trainer.architecture
        grids = trainer.grids()
        given = architecture, grids, trainer.target
        part, own, shown = given if self._part is None else self._part.part(*given)
        weight, n_pixels = trainer.rate_controller.weight, architecture.height * architecture.width
        is_together = self._part is None and self._steps >= BRIEF
        distortion, target = trainer.distortion, trainer.target
        groups, integers = quantise(part, trainer.values, own, shown, weight, n_pixels, distortion, is_together)
        payload = packed(architecture, groups, integers, grids)
        device = target.device
        values = {
            name: torch.from_numpy(value).to(device)
            for name, value in dequantised(architecture, groups, integers).items()
        }
        with torch.no_grad():
            return payload, float(distortion(architecture, values, grids, target)[0])


def packed(
    architecture: Architecture, groups: Groups, integers: Mapping[str, Array], grids: Sequence[Tensor]
) -> Payload:
    """The payload of quantised networks and rounded grids."""
    latents = [grid.cpu().numpy().astype(np.int32) for grid in grids]
    networks, body = stream.encode(architecture, groups, integers, latents)
    table, data = tensors.encode([networks, body])
    return Payload(write_arch(architecture), table, data, digest(integers, latents))
