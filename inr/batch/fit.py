"""The job `fit`: from a signal to a model file, as `inr fit`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch

from inr.batch._job import JOBS, JobKind, Result
from inr.core.errors import ConfigError, UsageError
from inr.fitting import Fit, FitConfig, Run
from inr.fitting.warm_start import check_family
from inr.ntk import observers_of
from inr.signals import Signal, Source, default_field_of, load_signal
from inr.workflows.fit import FitPlan
from inr.workflows.fresh import check_frequency
from inr.workflows.request import FitRequest
from inr.workflows.start import Start


@JOBS.register("fit")
class FitJob(JobKind):
    """Fit a field. All settings are optional, see `FitRequest`.

    kind, field: names. config: a document of sections. set: list of `section.key=value`. flags: settings of the fit by
    name (steps, time_s, lr ...). recipe: best or paper. init: path of a model to start from. fresh: text for
    `choose_frequency`.
    """

    suffix: ClassVar[str] = ".safetensors"
    keys: ClassVar[frozenset[str]] = frozenset(
        {"kind", "field", "config", "set", "flags", "recipe", "init", "init_sha256", "fresh"}
    )
    flags: ClassVar[frozenset[str]] = frozenset(setting.name for setting in dataclasses.fields(FitConfig))

    @classmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        start = _start(settings)
        request = _request(source, settings, start.init)
        try:
            if start.init is not None:
                check_family(request.field, start.init, start.name)
            if start.fresh is not None:
                check_frequency(request.field, start.fresh)
        except UsageError as error:  # wrong for every input
            raise error if isinstance(error, ConfigError) else ConfigError([error.message], error.hint) from error

    @classmethod
    def prepare(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Callable[[], Result]:
        start = _start(settings)
        request = _request(source, settings, start.init)
        signal = load_signal(source, request.kind, request.signal_options)
        plan = FitPlan.of(signal, request.field, request, start=start, device=device, observers=observers_of)
        return functools.partial(_fit, plan.begin(), signal)


def _fit(run: Run, signal: Signal) -> Result:
    fit = run.result(run.advance())
    summary = {
        "kind": fit.spec.kind,
        "field": fit.field.config.type_name,
        "n_params": fit.field.n_params,
        "outcome": fit.outcome,
        "headline": signal.headline,
        "metrics": dict(fit.metrics),
        "steps": fit.steps,
        "seconds": fit.seconds,
        "notes": list(signal.notes),
    }
    return Result(fit.to_bytes(), summary)


def _start(settings: Mapping[str, Any]) -> Start:
    return Start.of(settings.get("init"), settings.get("fresh"))


def _request(source: Source, settings: Mapping[str, Any], start: Fit | None) -> FitRequest:
    return FitRequest.of(
        lambda kind, options: default_field_of(source, kind, options),
        settings.get("config"),
        settings.get("field"),
        settings.get("set", ()),
        settings.get("flags", {}),
        settings.get("kind"),
        None if start is None else start.field.config,
        settings.get("recipe", "best"),
    )
