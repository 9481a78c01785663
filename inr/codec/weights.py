"""Profile "weights": the parameters of any field, quantised while it is trained, as entropy-coded integers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Generator

from inr._config import override, parse, settings_of
from inr._domain import Spec
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.field_coding import decode_field, decode_plain, payload_of, read_arch, work_of
from inr.codec.landing import Goal, Outcome, land
from inr.codec.pieces import pieces, specs
from inr.codec.profile import PROFILES, Aim, Decoded, OnProgress, Payload, Profile
from inr.codec.tensors import TensorSpec
from inr.codec.training import Budget, Plan
from inr.encodings.frequency import Frequency
from inr.fields import FieldConfig
from inr.fields.siren import Siren
from inr.fitting import Fit
from inr.fitting.teacher import teacher_of
from inr.layers.sine import Sine
from inr.signals import Signal

BITS_PER_PARAMETER = 5.0
"""What the width is chosen for."""

DEPTH = 4
STEPS = 5000
BATCH = 8192
LR = 1e-3
LR_SHAPE = 1e-4
"""Of 5000 steps; of n steps sqrt(5000 / n) times as much, up to three times."""

DECAY = 1.0
"""Of SOAP on lattices, where the weights of a network of sines otherwise keep growing at this rate."""

FEWEST_STEPS_SOAP = 500
"""SOAP's bases take some hundred steps to pay: below this Adam is ahead on lattices."""


@PROFILES.register("weights")
class Weights(Profile):
    """The weights of a network of sines, or those of any model.

    After Struempler et al. 2022 (arXiv:2112.04267): a sine network with positional encoding, quantisation-aware
    training and an entropy coder. Here the steps of the quantisers are learned with the weights, and the width of the
    network follows from the aim.
    """

    number: ClassVar[int] = 1

    def __init__(self, family: FieldConfig | None = None, settings: Sequence[str] = ()) -> None:
        self._family, self._settings = family, tuple(settings)

    def with_settings(self, field: str | None, settings: Sequence[str]) -> Weights:
        """Any family; its width follows from the aim unless it is among the settings, or there is none."""
        family = None if field is None else parse(FieldConfig, field, "field")
        override(family or Siren(), settings, "field")  # says what is wrong with them
        return Weights(family, settings)

    def encode(
        self, signal: Signal, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Trains 5000 steps of 8192 samples at effort 5, twice as many with each step of effort."""
        n_steps = steps_of(effort, STEPS)

        def fit(budget: Budget, bits: float, share: Callable[[float, float], None]) -> Outcome:
            config, plan = self._design(signal.spec, bits, n_steps)
            field = config.build(signal.spec, Generator().manual_seed(seed))
            return Outcome.of(signal, field, plan, budget, seed, share, lambda _, coded: payload_of(config, coded))

        return land(Goal.of(aim, signal), fit, on_progress)

    def _design(self, spec: Spec, bits: float, n_steps: int) -> tuple[FieldConfig, Plan]:
        config = self._config(spec)
        has_width = any(setting.startswith("width=") for setting in self._settings)
        if not has_width and any(s.name == "width" for s in settings_of(type(config))):
            config = of_size(config, spec, bits / BITS_PER_PARAMETER)
        if self._family is None:
            if spec.shape is None:
                lr = LR_SHAPE * min(3.0, math.sqrt(STEPS / n_steps))
                return config, Plan(n_steps, BATCH, lr, has_soap=True)
            has_soap = n_steps >= FEWEST_STEPS_SOAP
            return config, Plan(n_steps, BATCH, LR, has_soap=has_soap, weight_decay=DECAY)
        recipe = config.recipe(spec)
        lr = float(recipe.get("lr", LR))
        return config, Plan(n_steps, BATCH, lr if recipe.get("steps") != 0 else lr / 10)

    def _config(self, spec: Spec) -> FieldConfig:
        return override(self._family or default(spec), self._settings, "field").resolve(spec)

    def encode_model(
        self, model: Fit, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """The model's own architecture, trained on against its own values.

        A quality q asks for 3 + 6 q / 100 bits per parameter.
        """
        teacher = teacher_of(model, model.source)
        config = model.field.config
        recipe = config.recipe(model.spec)
        plan = Plan(steps_of(effort, STEPS // 4), BATCH, float(recipe.get("lr", LR)) / 2, lr_table=0.02, is_fresh=False)
        n = sum(part.values.numel() for part in pieces(model.field))

        def fit(budget: Budget, bits: float, share: Callable[[float, float], None]) -> Outcome:
            field = copy.deepcopy(model.field)
            return Outcome.of(teacher, field, plan, budget, seed, share, lambda _, coded: payload_of(config, coded))

        return land(Goal.of_model(aim, teacher, n), fit, on_progress)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        return tuple(specs(pieces(read_arch(header, arch, limits)[1])))

    def work(self, header: Header, arch: memoryview) -> int:
        return work_of(header, read_arch(header, arch, Limits())[1])

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        return decode_field(header, payload, limits, "weights", decode_plain)


def of_size(config: FieldConfig, spec: Spec, n: float) -> FieldConfig:
    """The family at the width that has nearest to n parameters, or its least."""

    def count(width: int) -> int:
        wider = override(config, [f"width={width}"], "field").resolve(spec)
        with torch.device("meta"):
            outline = wider.build(spec, Generator())
        return sum(part.values.numel() for part in pieces(outline))

    low, high = 1, 4096
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= n else (low, middle)
    return override(config, [f"width={low}"], "field").resolve(spec)


def steps_of(effort: int, at_five: int) -> int:
    """Twice as many steps with each step of effort."""
    return max(1, round(at_five * 2.0 ** (effort - 5)))


def default(spec: Spec) -> FieldConfig:
    """A network of sines; behind sines and cosines of the coordinates for lattices, those of pictures at 1.4^k."""
    if spec.shape is None:
        return Siren(depth=DEPTH)
    encoding = Frequency() if spec.d_in == 1 else Frequency(base=1.4)
    return Siren(encoding=encoding, depth=DEPTH, activation=Sine(omega_first=30.0))
