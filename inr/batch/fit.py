"""The job `fit`: a signal to a model file, as `inr fit` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from inr.batch._job import JOBS, JobKind, Result
from inr.fitting import Fit, FitConfig, Run
from inr.fitting.request import Request
from inr.fitting.warm import warm_start
from inr.signals import Source, default_field_of, load_signal


@JOBS.register("fit")
class FitJob(JobKind):
    """Fit a field. Settings, all optional, mean what they mean for `inr fit`.

    kind, field: names. config: the document of --config. set: list of `section.key=value`. flags: settings of the fit
    that have options of their own (steps, time_s, lr ...). init: path of a model to start from. fresh: text of --fresh.
    """

    suffix: ClassVar[str] = ".safetensors"
    keys: ClassVar[frozenset[str]] = frozenset(
        {"kind", "field", "config", "set", "flags", "init", "init_sha256", "fresh"}
    )
    flags: ClassVar[frozenset[str]] = frozenset(setting.name for setting in dataclasses.fields(FitConfig))

    @classmethod
    def check(cls, source: Source, settings: Mapping[str, Any]) -> None:
        _request(source, settings, None)

    @classmethod
    def run(cls, source: Source, settings: Mapping[str, Any], device: torch.device) -> Result:
        init = settings.get("init")
        start = None if init is None else Fit.load(init)
        request = _request(source, settings, start)
        signal = load_signal(source, request.kind, request.signal_options)
        if settings.get("fresh") is not None:
            request, _ = request.freshened(signal, settings["fresh"])
        run = Run(signal, *request.resolve(signal), device)
        if start is not None:
            warm_start(run, start, Path(str(init)).name)
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


def _request(source: Source, settings: Mapping[str, Any], start: Fit | None) -> Request:
    return Request.of(
        lambda kind: default_field_of(source, kind),
        settings.get("config"),
        settings.get("field"),
        settings.get("set", ()),
        settings.get("flags", {}),
        settings.get("kind"),
        None if start is None else start.field.config,
    )
