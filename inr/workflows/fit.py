"""The use case of a fit: a signal, settings and a start become a plan, the plan a run, and the run a fit."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from inr.core.config import parse
from inr.core.errors import UsageError
from inr.fields import FieldConfig, RecipeName
from inr.fitting import Fit, FitConfig, Progress, Run, resolve, resume
from inr.fitting.distributed import ProcessGroup
from inr.fitting.observer import Observers
from inr.fitting.warm_start import warm_start
from inr.signals import Signal
from inr.workflows.fresh import FrequencyChoice, choose_frequency
from inr.workflows.request import FitRequest
from inr.workflows.sizing import adapted, count_parameters, sized
from inr.workflows.start import RANDOM_START, Start

BYTES_PER_PARAMETER = 16
"""Memory of training in float32: the parameter, its gradient, and Adam's two moments."""


@dataclasses.dataclass(frozen=True)
class FitPlan:
    """A fit with everything resolved and nothing begun.

    start: what the run starts from. frequency: the setting that `start.fresh` chose. group: the processes that share
    the run. observers: make what watches the run, as `inr.ntk.observers_of` does for `track_ntk`. resumed: the run that
    a checkpoint holds.
    """

    signal: Signal
    field: FieldConfig
    settings: FitConfig
    device: torch.device | None = None
    group: ProcessGroup | None = None
    start: Start = RANDOM_START
    frequency: FrequencyChoice | None = None
    observers: Observers | None = None
    resumed: Run | None = None

    @classmethod
    def of(
        cls,
        signal: Signal,
        field: str | Mapping[str, Any] | FieldConfig | None = None,
        settings: Mapping[str, Any] | FitConfig | FitRequest | None = None,
        *,
        recipe: RecipeName = "best",
        n_params: int | None = None,
        start: Start = RANDOM_START,
        device: torch.device | None = None,
        group: ProcessGroup | None = None,
        observers: Observers | None = None,
    ) -> FitPlan:
        """The plan of a new run.

        field: by default that of `init`, or the signal kind's own. settings: a FitRequest has settings in layers, and
        the name of a recipe. recipe: the family's "best", or its "paper"'s.
        n_params: parameters at most, to which the field's size settings are adapted (`sized`).
        Raises ConfigError, which lists every wrong setting, or UsageError for what does not suit the signal.
        """
        config = _config_of(signal, field, start.init)
        if n_params is not None:
            config = sized(config, signal.spec, n_params).config
        elif start.init is None:
            config = adapted(signal, config, _target_of(settings))
        frequency = None
        if start.fresh is not None:
            frequency = choose_frequency(signal, config, start.fresh, seed=_seed_of(settings))
            config = frequency.config
        if isinstance(settings, FitRequest):
            settings = settings.fit_settings(signal, config)
        config, settings = resolve(signal, config, settings, recipe=recipe)
        return cls(signal, config, settings, device, group, start, frequency, observers)

    @classmethod
    def resume(
        cls,
        folder: Path,
        signal: Signal,
        *,
        device: torch.device | None = None,
        group: ProcessGroup | None = None,
        observers: Observers | None = None,
    ) -> FitPlan:
        """The plan to continue the run of a checkpoint, with its settings. Raises as `inr.fitting.resume` does."""
        run = resume(folder, signal, device, group=group, observers=observers)
        return cls(signal, run.field.config, run.settings, device, group, observers=observers, resumed=run)

    @functools.cached_property
    def n_params(self) -> int:
        """Parameters of the field, counted without building it where its family allows."""
        return count_parameters(self.field, self.signal.spec)

    def begin(self) -> Run:
        """The run, ready to `advance`."""
        if self.resumed is not None:
            return self.resumed
        run = Run(self.signal, self.field, self.settings, self.device, group=self.group, observers=self.observers)
        if self.start.init is not None:
            warm_start(run, self.start.init, self.start.name)
        return run

    def fit(self, on_progress: Callable[[Progress], None] | None = None) -> Fit:
        """Run it to its end; the Fit's `outcome` says how it ended."""
        run = self.begin()
        return run.result(run.advance(on_progress))


def fit(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    recipe: RecipeName = "best",
    start: Start = RANDOM_START,
    device: torch.device | None = None,
    observers: Observers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to a signal. Arguments and errors are those of `FitPlan.of`."""
    plan = FitPlan.of(signal, field, settings, recipe=recipe, start=start, device=device, observers=observers)
    return plan.fit(on_progress)


def check_resume(start: Start, *, has_settings: bool) -> None:
    """Refuse to resume a run with settings of the field or the fit, or with another start. Raises UsageError."""
    if has_settings or not start.is_default:
        raise UsageError("`resume` takes its settings from the checkpoint, other settings cannot be given with it")


def _config_of(signal: Signal, field: str | Mapping[str, Any] | FieldConfig | None, init: Fit | None) -> FieldConfig:
    """The field's config before it is resolved."""
    if isinstance(field, FieldConfig):
        return field
    if init is not None and (field is None or field == init.field.config.type_name):
        return init.field.config
    return parse(FieldConfig, signal.default_field if field is None else field, "field")


def _target_of(settings: Mapping[str, Any] | FitConfig | FitRequest | None) -> float | None:
    """The PSNR that is wanted, in dB."""
    if isinstance(settings, FitConfig | FitRequest):
        return settings.target_psnr_db
    return parse(FitConfig, settings or {}, "fit").target_psnr_db


def _seed_of(settings: Mapping[str, Any] | FitConfig | FitRequest | None) -> int:
    if isinstance(settings, FitConfig):
        return settings.seed
    given = settings.flags if isinstance(settings, FitRequest) else settings or {}
    return int(given.get("seed", 0))
