"""Encodes a picture as a latent pyramid: training under rate control, then quantised networks and streams."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from inr.codec.encoding_control import EncodingControl, EncodingState, EncodingStoppedError
from inr.codec.profile import DEFAULT_TUNE, OnProgress, OnState, Payload
from inr.codec.profiles.pyramid.architecture import Architecture, architecture_of
from inr.codec.profiles.pyramid.distortion import DISTORTIONS, Distortion
from inr.codec.profiles.pyramid.groups import shapes_of
from inr.codec.profiles.pyramid.latent_trainer import FROM_START, HARD_SHARE, OnStep, RateController, Trainer
from inr.codec.profiles.pyramid.sample import LARGEST_SAMPLE, QUANTISED_ON, Sample, Window
from inr.codec.profiles.pyramid.starting_point import StartingPoint
from inr.codec.profiles.pyramid.tiled_training import TiledTraining
from inr.codec.profiles.pyramid.training import CORRECTION, Training, WholeTraining
from inr.codec.rate_target import RateTarget
from inr.codec.training.ms_ssim import SMALLEST
from inr.core.errors import UsageError
from inr.fitting.model_file import unreadable_if_invalid
from inr.fitting.optimizer_state import by_prefix
from inr.signals import Lattice, Signal

STEPS = {1: 300, 2: 600, 3: 1200, 4: 1800, 5: 2500, 6: 5000, 7: 10000, 8: 20000, 9: 40000}
"""Steps of gradient descent by effort."""
SAMPLE_STEPS = 120
"""Steps of effort 1 from a starting point, for a sample of a large picture."""
QUICK_STEPS, QUICK_RANGE, QUICK_POWER = 48, (40, 64), 0.12
"""Those for a whole picture: about 48 (rate weight / 1e-3)^0.12. At low rates more depends on the networks."""
MIDDLE_QUALITY, DECADES = 50.0, 3.0
SURPLUS = 0.01
"""How far beyond the target a run aims: this share of the bytes, or of 6 dB."""
CORRECTIONS = 5
"""At most this many corrections follow a run."""
CORRECTION_SHARE = HARD_SHARE * (1 + CORRECTION)
"""Steps of a correction, in units of those of the run."""
WEIGHT_BYTES = 0.7
"""Approximate bytes of a network weight."""
TOLERANCE = 0.06
"""How much better than its target a run may end without a correction."""
RATE_MODEL = 4e-4, 1.5
"""Approximate relation: rate weight = 4e-4 / (bits per pixel)^1.5."""


def encode(
    signal: Signal,
    rate_target: RateTarget,
    effort: int,
    seed: int,
    device: str,
    on_progress: OnProgress | None,
    control: EncodingControl | None = None,
    tune: str = DEFAULT_TUNE,
) -> Payload:
    """Train a pyramid on a picture and code it. Steps by effort: see `STEPS`. tune: a name of `DISTORTIONS`."""
    assert isinstance(signal, Lattice)
    height, width, channels = signal.values.shape
    distortion = distortion_for(tune, rate_target, height, width)
    target = PyramidTarget(rate_target, signal.frame, height * width)
    architecture = architecture_of(channels, height, width, effort, target.expected_bytes)
    generator = Generator().manual_seed(seed)

    def pixels(window: Window) -> Tensor:
        values = signal.values[window.top : window.bottom, window.left : window.right]
        return ((signal.frame.to_field(values) + 1) / 2).movedim(-1, 0).contiguous().to(device)

    if effort > 1 or height * width <= LARGEST_SAMPLE:
        whole = pixels(Window(0, 0, height, width))
        trainer = Trainer(architecture, whole, target.controller(architecture), generator, distortion=distortion)
        steps = STEPS[effort]
        if effort == 1 and _begun(trainer):
            steps = quick_steps(trainer.rate_controller.weight)
            trainer.keep_pace(FROM_START)
        is_brief = effort == 1 and height * width > QUANTISED_ON
        quantised_on = Sample.drawn(height, width, generator, QUANTISED_ON) if is_brief else None
        return _reach(WholeTraining(trainer, steps, quantised_on), target, on_progress, control)
    if tune != DEFAULT_TUNE:
        raise UsageError(
            f"effort 1 trains a large picture in parts, which `tune={tune}` cannot", "use a higher `effort`"
        )
    sample = Sample.drawn(height, width, generator)
    part = dataclasses.replace(architecture, height=sample.shape[0], width=sample.shape[1])
    trainer = Trainer(part, sample.joined(pixels), target.controller(architecture), generator)
    steps = SAMPLE_STEPS if _begun(trainer) else STEPS[effort]
    return _reach(TiledTraining(architecture, pixels, sample, trainer, steps, generator), target, on_progress, control)


def distortion_for(tune: str, target: RateTarget, height: int, width: int) -> Distortion:
    """The distortion of that name. Raises UsageError if the picture or the target does not suit it."""
    if tune != DEFAULT_TUNE:
        if target.target_psnr_db is not None:
            raise UsageError(
                f"`target_psnr_db` and `tune={tune}` are both given", "use `quality`, `bpp` or `size_bytes`"
            )
        if min(height, width) < SMALLEST:
            raise UsageError(f"`tune={tune}` needs pictures of at least {SMALLEST} x {SMALLEST} pixels")
    return DISTORTIONS[tune]


def quick_steps(rate_weight: float) -> int:
    """Steps of effort 1 for a whole picture, see `QUICK_STEPS`."""
    least, most = QUICK_RANGE
    steps = QUICK_STEPS * math.pow(rate_weight / 1e-3, QUICK_POWER)
    return min(max(round(steps), least), most)


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


class _Encoding:
    """A run and its corrections, until the target is met; the best payload."""

    def __init__(
        self, training: Training, target: PyramidTarget, on_progress: OnProgress | None, control: EncodingControl
    ) -> None:
        self._training, self._target, self._on_progress, self._control = training, target, on_progress, control
        self._steps = self._n_corrections = 0
        self._best: tuple[Payload, float] | None = None
        self._factor = 1.0
        if training.is_resumable:
            if control.resumed is not None:
                self._restore(control.resumed)
            control.state = self._state
        elif control.is_needed:
            raise UsageError(
                "effort 1 trains a large picture in parts, which is neither kept nor resumed",
                "use a higher `effort`, or let it end: it takes seconds",
            )

    def payload(self) -> Payload:
        training, control = self._training, self._control
        is_within = control.resumed is not None
        try:
            while True:
                with control.training():
                    if not is_within and self._factor != 1.0:
                        self._n_corrections += 1
                    is_within = False
                    if self._n_corrections == 0:
                        training.run(self._report)
                    else:
                        training.correct(self._factor, self._report)
                found = self._take()
                if self._n_corrections == CORRECTIONS:
                    break
                self._factor = self._target.correction(*found)
                if self._factor == 1.0:
                    return found[0]
        except EncodingStoppedError:
            control.is_stopped = True
            if not control.is_kept:
                raise
            if control.save is not None:
                control.save(self._state())
            self._take()
        assert self._best is not None
        return self._best[0]

    def _take(self) -> tuple[Payload, float]:
        """The payload of the present state and its error; it is the best if it is better than those before."""
        found = self._training.quantised()
        if self._best is None or self._target.rank(*found) < self._target.rank(*self._best):
            self._best = found
        return found

    def _report(self, start: float, part: float) -> OnStep:
        n = self._n_corrections
        before, whole = (1 + CORRECTION_SHARE * (n - 1), 1 + CORRECTION_SHARE * n) if n else (0.0, 1.0)
        words = f"correction {n}: " if n else ""
        told = self._on_progress

        def on_step(progress: float, bpp: float, mse: float) -> None:
            self._steps += 1
            if told is not None:
                share = (before + (whole - before) * (start + part * progress)) / whole
                told(share, f"{words}{-10 * math.log10(mse):.2f} dB at {bpp:.3f} bits per pixel")
            if isinstance(told, OnState):
                told.on_state(bpp, -10 * math.log10(mse), self._training.shown)
            self._look()

        return on_step

    def _look(self) -> None:
        control = self._control
        if control.should_stop():
            raise EncodingStoppedError
        if control.save is not None and control.save_every is not None and self._steps % control.save_every == 0:
            control.save(self._state())

    def _state(self) -> EncodingState:
        document, tensors = self._training.state()
        document |= {"corrections": self._n_corrections, "factor": self._factor, "best": None}
        if self._best is not None:
            payload, document["best"] = self._best
            parts = dataclasses.asdict(payload)
            tensors |= {
                f"best.{key}": torch.frombuffer(bytearray(part), dtype=torch.uint8) for key, part in parts.items()
            }
        return EncodingState(self._steps, document, tensors)

    def _restore(self, state: EncodingState) -> None:
        with unreadable_if_invalid("the checkpoint"):
            self._training.restore(state.document, state.tensors)
            self._steps, self._n_corrections = state.step, int(state.document["corrections"])
            self._factor = float(state.document["factor"])
            if state.document["best"] is not None:
                parts = by_prefix(state.tensors)["best"]
                self._best = (
                    Payload(**{key: bytes(part.numpy()) for key, part in parts.items()}), float(state.document["best"]),
                )  # fmt: skip


def _reach(
    training: Training, target: PyramidTarget, on_progress: OnProgress | None, control: EncodingControl | None
) -> Payload:
    """Train, and correct until the target is met; the best payload."""
    return _Encoding(training, target, on_progress, control or EncodingControl()).payload()
