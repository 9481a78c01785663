"""Profile "weights": the parameters of any field, trained with quantisation and entropy-coded as integers."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Generator

from inr.codec.container.header import Header
from inr.codec.decoded import Decoded
from inr.codec.entropy.tensors import TensorSpec
from inr.codec.field_profile import decode_field, decode_plain, payload_of, read_arch, work_of
from inr.codec.limits import Limits
from inr.codec.profile import PROFILES, OnProgress, Payload, Profile
from inr.codec.rate_target import RateTarget
from inr.codec.training.coded_tensors import coded_tensors
from inr.codec.training.rate_control import Candidate, FieldTarget, reach_target
from inr.codec.training.trainer import RateTerm, TrainingSettings
from inr.core.config import override, parse, settings_of
from inr.core.domain import Spec
from inr.encodings.frequency import Frequency
from inr.fields import FieldConfig
from inr.fields.siren import Siren
from inr.fitting import Fit
from inr.fitting.teacher import teacher_of
from inr.layers.activations.sine import Sine
from inr.layers.linear.quantized import Quantized
from inr.signals import Signal

BITS_PER_PARAMETER = 5.0
"""Expected bits per parameter, from which the width is chosen."""

DEPTH = 4
STEPS = 5000
BATCH = 8192
LR = 1e-3
LR_SHAPE = 1e-4
"""For 5000 steps; for n steps sqrt(5000 / n) times this rate, at most three times."""

LR_OF_MODEL = 5e-3
"""At most, of a model that was fitted before. The paper's rate of MINER, 0.03, undoes what it has learned."""

OMEGA_SHAPE = 20.0
"""First frequency for shapes. With 30 short runs leave small parts in empty space; 10 blurs a detailed mesh."""

DECAY = 1.0
"""Weight decay of SOAP on lattices; without it the weights of a sine network keep growing at this rate."""

FEWEST_STEPS_SOAP = 500
"""Below this many steps Adam is better on lattices, because SOAP needs some hundred steps to gain."""


@PROFILES.register("weights")
class WeightsProfile(Profile):
    """The weights of a sine network, or of any model.

    After Struempler et al. 2022 (arXiv:2112.04267): a sine network with positional encoding, quantisation-aware
    training and an entropy coder. Here the quantiser steps are learned with the weights, and the width of the
    network follows from the target.

    `field.linear=quantized` gives matrices of `field.linear.bits` per entry (4; 8 in the first layer), as in Adaptive
    Neural Images (Hoshikawa et al. 2024, arXiv:2405.16807): their symbols are -7 ... 7, entropy-coded as others. The
    file holds a network of plain dense layers.
    """

    number: ClassVar[int] = 1

    def __init__(self, family: FieldConfig | None = None, settings: Sequence[str] = ()) -> None:
        self._family, self._settings = family, tuple(settings)

    def with_settings(self, field: str | None, settings: Sequence[str]) -> WeightsProfile:
        """Any family. Its width follows from the target unless `width` is among the settings or the family has none."""
        family = None if field is None else parse(FieldConfig, field, "field")
        override(family or Siren(), settings, "field")  # raises the errors in them
        return WeightsProfile(family, settings)

    def encode(
        self, signal: Signal, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Train 5000 steps of 8192 samples at effort 5, doubled by each step of effort."""
        n_steps = steps_of(effort, STEPS)

        def fit(rate_term: RateTerm, bits: float, share: Callable[[float, float], None]) -> Candidate:
            config, training = self._design(signal.spec, bits, n_steps)
            field = config.build(signal.spec, Generator().manual_seed(seed))
            return Candidate.of(
                signal, field, training, rate_term, seed, share, lambda _, quantised: payload_of(config, quantised)
            )

        return reach_target(FieldTarget.of(target, signal), fit, on_progress)

    def _design(self, spec: Spec, bits: float, n_steps: int) -> tuple[FieldConfig, TrainingSettings]:
        config, training = self._sized(spec, bits, n_steps)
        linear = getattr(config, "linear", None)
        if not isinstance(linear, Quantized):
            return config, training
        plain = override(config, ["linear=dense"], "field").resolve(spec)
        return plain, dataclasses.replace(training, bits=(linear.first_bits, linear.bits))

    def _sized(self, spec: Spec, bits: float, n_steps: int) -> tuple[FieldConfig, TrainingSettings]:
        config = self._config(spec)
        has_width = any(setting.startswith("width=") for setting in self._settings)
        if not has_width and any(s.name == "width" for s in settings_of(type(config))):
            linear = getattr(config, "linear", None)
            most = linear.bits if isinstance(linear, Quantized) else BITS_PER_PARAMETER
            config = of_size(config, spec, bits / min(BITS_PER_PARAMETER, most))
        if self._family is None:
            if spec.shape is None:
                lr = LR_SHAPE * min(3.0, math.sqrt(STEPS / n_steps))
                return config, TrainingSettings(n_steps, BATCH, lr, has_soap=True)
            has_soap = n_steps >= FEWEST_STEPS_SOAP
            return config, TrainingSettings(n_steps, BATCH, LR, has_soap=has_soap, weight_decay=DECAY)
        recipe = config.paper_recipe(spec)
        lr = float(recipe.get("lr", LR))
        return config, TrainingSettings(n_steps, BATCH, lr if recipe.get("steps") != 0 else lr / 10)

    def _config(self, spec: Spec) -> FieldConfig:
        return override(self._family or default(spec), self._settings, "field").resolve(spec)

    def encode_model(
        self, model: Fit, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Keep the model's architecture and continue its training against its own values.

        A quality q means 3 + 6 q / 100 bits per parameter.
        """
        teacher = teacher_of(model, model.source)
        config = model.field.config
        lr = min(float(config.paper_recipe(model.spec).get("lr", LR)), LR_OF_MODEL)
        training = TrainingSettings(steps_of(effort, STEPS // 4), BATCH, lr / 2, lr_table=0.02, is_fresh=False)
        n = sum(part.values.numel() for part in coded_tensors(model.field))

        def fit(rate_term: RateTerm, bits: float, share: Callable[[float, float], None]) -> Candidate:
            field = copy.deepcopy(model.field)
            return Candidate.of(
                teacher, field, training, rate_term, seed, share, lambda _, quantised: payload_of(config, quantised)
            )

        return reach_target(FieldTarget.of_model(target, teacher, n), fit, on_progress)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        return tuple(tensor.spec for tensor in coded_tensors(read_arch(header, arch, limits)[1]))

    def work(self, header: Header, arch: memoryview) -> int:
        return work_of(header, read_arch(header, arch, Limits())[1])

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        return decode_field(header, payload, limits, "weights", decode_plain)


def of_size(config: FieldConfig, spec: Spec, n: float) -> FieldConfig:
    """The family at the largest width with at most n parameters, or at width 1."""

    def count(width: int) -> int:
        wider = override(config, [f"width={width}"], "field").resolve(spec)
        with torch.device("meta"):
            outline = wider.build(spec, Generator())
        return sum(part.values.numel() for part in coded_tensors(outline))

    low, high = 1, 4096
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= n else (low, middle)
    return override(config, [f"width={low}"], "field").resolve(spec)


def steps_of(effort: int, at_five: int) -> int:
    """The steps at an effort: doubled by each step of effort."""
    return max(1, round(at_five * 2.0 ** (effort - 5)))


def default(spec: Spec) -> FieldConfig:
    """A sine network; for lattices behind a positional encoding, of frequencies 1.4^k for more than one axis."""
    if spec.has_distances:
        return Siren(depth=DEPTH, activation=Sine(omega_first=OMEGA_SHAPE))
    if spec.shape is None:
        return Siren(depth=DEPTH)
    encoding = Frequency() if spec.d_in == 1 else Frequency(base=1.4)
    return Siren(encoding=encoding, depth=DEPTH, activation=Sine(omega_first=30.0))
