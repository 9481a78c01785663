"""Encodes a picture as a latent pyramid: training under rate control, then quantised networks and streams."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from torch import Generator, Tensor

from inr.codec.profile import OnProgress, OnState, Payload
from inr.codec.profiles.pyramid.architecture import Architecture, architecture_of
from inr.codec.profiles.pyramid.groups import shapes_of
from inr.codec.profiles.pyramid.latent_trainer import OnStep, RateController, Trainer
from inr.codec.profiles.pyramid.sample import LARGEST_SAMPLE, QUANTISED_ON, Sample, Window
from inr.codec.profiles.pyramid.starting_point import StartingPoint
from inr.codec.profiles.pyramid.tiled_training import TiledTraining
from inr.codec.profiles.pyramid.training import Training, WholeTraining
from inr.codec.rate_target import RateTarget
from inr.signals import Lattice, Signal

STEPS = {1: 300, 2: 600, 3: 1200, 4: 1800, 5: 2500, 6: 5000, 7: 10000, 8: 20000, 9: 40000}
"""Steps of gradient descent by effort."""
QUICK_STEPS, SAMPLE_STEPS = 60, 120
"""Steps of effort 1 from a starting point: for the whole picture, and for a sample of a large one."""
MIDDLE_QUALITY, DECADES = 50.0, 3.0
SURPLUS = 0.01
"""How far beyond the target a run aims: this share of the bytes, or of 6 dB."""
CORRECTIONS = 5
"""At most this many corrections follow a run."""
WEIGHT_BYTES = 0.7
"""Approximate bytes of a network weight."""
TOLERANCE = 0.06
"""How much better than its target a run may end without a correction."""
RATE_MODEL = 4e-4, 1.5
"""Approximate relation: rate weight = 4e-4 / (bits per pixel)^1.5."""


def encode(
    signal: Signal, rate_target: RateTarget, effort: int, seed: int, device: str, on_progress: OnProgress | None
) -> Payload:
    """Train a pyramid on a picture and code it. Steps by effort: see `STEPS`."""
    assert isinstance(signal, Lattice)
    height, width, channels = signal.values.shape
    target = PyramidTarget(rate_target, signal.frame, height * width)
    architecture = architecture_of(channels, height, width, effort, target.expected_bytes)
    generator = Generator().manual_seed(seed)

    def pixels(window: Window) -> Tensor:
        values = signal.values[window.top : window.bottom, window.left : window.right]
        return ((signal.frame.to_field(values) + 1) / 2).movedim(-1, 0).contiguous().to(device)

    if effort > 1 or height * width <= LARGEST_SAMPLE:
        whole = pixels(Window(0, 0, height, width))
        trainer = Trainer(architecture, whole, target.controller(architecture), generator)
        steps = QUICK_STEPS if effort == 1 and _begun(trainer) else STEPS[effort]
        is_brief = effort == 1 and height * width > QUANTISED_ON
        quantised_on = Sample.drawn(height, width, generator, QUANTISED_ON) if is_brief else None
        return _reach(WholeTraining(trainer, steps, quantised_on), target, on_progress)
    sample = Sample.drawn(height, width, generator)
    part = dataclasses.replace(architecture, height=sample.shape[0], width=sample.shape[1])
    trainer = Trainer(part, sample.joined(pixels), target.controller(architecture), generator)
    steps = SAMPLE_STEPS if _begun(trainer) else STEPS[effort]
    return _reach(TiledTraining(architecture, pixels, sample, trainer, steps, generator), target, on_progress)


def _begun(trainer: Trainer) -> bool:
    """Bring a trainer to its starting point, if there is one."""
    architecture = trainer.architecture
    point = StartingPoint.of(architecture, trainer.rate_controller.weight)
    if point is None:
        return False
    trainer.networks.start_from(point.values)
    trainer.start_from(point.analysis.latents(architecture, point.values, trainer.target.cpu()))
    return True


class PyramidTarget:
    """A rate target for a pyramid: it sets up the rate controller and ranks payloads."""

    def __init__(self, target: RateTarget, frame: Any, n_pixels: int) -> None:
        self.target = target
        self._n_pixels = n_pixels
        peak = float(np.mean(np.square(frame.scale))) * 4
        """The factor from mean squared errors of values in [0, 1] to those of the signal."""
        self._mse = (
            None if target.target_psnr_db is None else 10 ** (-target.target_psnr_db / 10) * max(peak, 1e-30) / peak
        )

    @property
    def _weight(self) -> float:
        """The first rate weight, if the target is not a size."""
        target = self.target
        if target.quality is not None:
            return math.pow(10, -3 - DECADES * (target.quality - MIDDLE_QUALITY) / 100)
        if target.lambda_ is not None:
            return target.lambda_
        assert self._mse is not None
        return 1.7 * self._mse

    @property
    def expected_bytes(self) -> float:
        """Bytes of the file: the target size, or the size that the rate weight gives for an average photograph."""
        if self.target.size_bytes is not None:
            return self.target.size_bytes
        at_one, power = RATE_MODEL
        return self._n_pixels / 8 * math.pow(at_one / self._weight, 1 / power)

    def controller(self, architecture: Architecture) -> RateController:
        size = self.target.size_bytes
        if size is None:
            mse = None if self._mse is None else self._mse * 10 ** (-0.6 * SURPLUS)
            return RateController(self._weight, mse=mse)
        n_weights = sum(math.prod(shape) for shape in shapes_of(architecture).values())
        left = max(size * (1 - SURPLUS) - WEIGHT_BYTES * n_weights, size / 4)
        bpp = 8 * left / self._n_pixels
        at_one, power = RATE_MODEL
        return RateController(at_one / bpp**power, bpp=bpp)

    def rank(self, payload: Payload, mse: float) -> tuple[bool, float]:
        """Sort key for payloads of one run: those that meet the target come first, the best of them first."""
        if self.target.size_bytes is not None:
            is_missed = payload.size > self.target.size_bytes
            return is_missed, payload.size if is_missed else mse
        is_missed = self._mse is not None and mse > self._mse
        return is_missed, mse if is_missed else payload.size

    def correction(self, payload: Payload, mse: float) -> float:
        """The factor by which to change the rate weight; 1 if the target is met within TOLERANCE."""
        if self.target.size_bytes is not None:
            found = payload.size / self.target.size_bytes
            return (
                1.0 if 1 - TOLERANCE <= found <= 1 else max((found / (1 - TOLERANCE / 3)) ** 4, 1.3 if found > 1 else 0)
            )
        if self._mse is not None:
            found = mse / self._mse
            return (
                1.0
                if 1 - TOLERANCE <= found <= 1
                else min(((1 - TOLERANCE / 3) / found) ** 2, 0.8 if found > 1 else 100)
            )
        return 1.0


def _reach(training: Training, target: PyramidTarget, on_progress: OnProgress | None) -> Payload:
    """Train, and correct until the target is met; the best payload."""

    def report(start: float, part: float) -> OnStep:
        def on_step(progress: float, bpp: float, mse: float) -> None:
            if on_progress is not None:
                on_progress(start + part * progress, f"{-10 * math.log10(mse):.2f} dB at {bpp:.3f} bits per pixel")
            if isinstance(on_progress, OnState):
                on_progress.on_state(bpp, -10 * math.log10(mse), training.shown)

        return on_step

    training.run(report)
    best = latest = training.quantised()
    for _ in range(CORRECTIONS):
        factor = target.correction(*latest)
        if factor == 1.0:
            return latest[0]
        training.correct(factor, report)
        latest = training.quantised()
        if target.rank(*latest) < target.rank(*best):
            best = latest
    return best[0]
