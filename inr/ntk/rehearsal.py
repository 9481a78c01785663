"""The field that a report is about: after a short rehearsal of its run, or as it was trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, FitConfig, Run, resolve
from inr.ntk.forecast.adaptive import TrainingPlan
from inr.ntk.forecast.second_moments import with_moments
from inr.signals import Signal
from inr.workflows.fit import FitPlan

UNLIMITED_STEPS = 1000
"""Length of the forecast run if the settings have no limit of steps."""


@dataclass(frozen=True)
class Subject:
    """now: the field whose kernel is read. start: the same field before training, None if that is `now`.

    samples: of the signal. plan: the run that is forecast from `now`. settings: of the whole run. state: "start" or
    "trained". rehearsed: steps between `start` and `now`. past: Adam's debiased second moments by parameter name, None
    if there are none. fit_seconds: that all of the run would take, from the steps between `start` and
    `now`, whose time grows with the batch; nan: not known.
    """

    now: Field
    start: Field | None
    samples: Samples
    plan: TrainingPlan
    settings: FitConfig
    state: Literal["start", "trained"]
    rehearsed: int
    past: Mapping[str, Tensor] | None = None
    fit_seconds: float = math.nan


def rehearsed(
    signal: Signal,
    field: FieldConfig,
    settings: FitConfig,
    steps: int,
    batch: int,
    device: torch.device | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Subject:
    """A new field after the first `steps` of its run, with batches of at most `batch` samples."""
    config, settings = resolve(signal, field, settings)
    steps = min(steps, max(0, plan_of(settings).steps - 1))
    short = replace(settings, time_s=None, target_psnr_db=None, track_ntk=None)
    if not settings.optimizer.is_closed:
        short = replace(short, batch=min(settings.batch, batch))
    run = FitPlan(signal, config, short, device).begin()
    start = copy.deepcopy(run.field).eval()
    if steps:
        if on_progress is not None:
            on_progress(f"rehearsal of {steps} steps")
        run.advance(should_stop=lambda: run.step >= steps)
    return Subject(
        now=copy.deepcopy(run.field).eval(),
        start=start if steps else None,
        samples=samples_of(signal, run),
        plan=plan_of(settings, steps),
        settings=settings,
        state="start",
        rehearsed=steps,
        past=second_moments_of(run),
        fit_seconds=_fit_seconds(run, plan_of(settings).steps, settings.batch) if steps else math.nan,
    )


def _fit_seconds(run: Run, steps: int, batch: int) -> float:
    """Of a run of so many steps with batches of at most `batch` samples, from the time of one with smaller ones."""
    size = run.pool.size
    return run.seconds / run.step * steps * min(batch, size) / min(run.settings.batch, size)


def trained(
    signal: Signal, fit: Fit, settings: Mapping[str, Any] | FitConfig | None, device: torch.device | None = None
) -> Subject:
    """A fitted field, and its run repeated from there with `settings` over those of the fit."""
    _check(fit, signal)
    chosen = settings if isinstance(settings, FitConfig) else parse(FitConfig, settings or {}, "fit", fit.settings)
    run = FitPlan(signal, fit.field.config, replace(fit.settings, seed=chosen.seed, track_ntk=None), device).begin()
    return Subject(
        now=copy.deepcopy(fit.field).eval(),
        start=copy.deepcopy(run.field).eval(),
        samples=samples_of(signal, run),
        plan=plan_of(chosen),
        settings=chosen,
        state="trained",
        rehearsed=fit.steps,
    )


def _check(fit: Fit, signal: Signal) -> None:
    hint = "give the signal that the model was fitted to"
    mine, theirs = fit.spec, signal.spec
    if mine.quantity != theirs.quantity:
        raise UsageError(f"the model is of kind {mine.kind!r}, but the signal is of kind {theirs.kind!r}", hint)
    if (mine.d_in, mine.d_out) != (theirs.d_in, theirs.d_out):
        raise UsageError(
            f"the model maps {mine.d_in} coordinates to {mine.d_out} channels, "
            f"but the signal has {theirs.d_in} coordinates and {theirs.d_out} channels",
            hint,
        )
    if mine.shape != theirs.shape:
        raise UsageError(f"the model was fitted to {mine.shape} samples, but the signal has {theirs.shape}", hint)


def plan_of(settings: FitConfig, done: int = 0) -> TrainingPlan:
    """What is left of a run after `done` steps."""
    optimizer = with_moments(settings.optimizer)
    steps = UNLIMITED_STEPS if settings.steps is None else settings.steps
    rest = max(min(1, steps), steps - done)
    return TrainingPlan(
        steps=rest,
        lr=settings.lr,
        lr_encoding=settings.lr_encoding,
        done=done,
        batch=settings.batch,
        optimizer=settings.optimizer.type_name,
        beta2=optimizer.beta2,
        eps=optimizer.eps,
        factor=lambda fraction: settings.schedule.factor((done + fraction * rest) / max(steps, 1)),
    )


def samples_of(signal: Signal, run: Run) -> Samples:
    """The samples of a signal, those without weight replaced by the mean."""
    return Samples.counted(signal.spec, run.pool)


def peak_of(signal: Signal) -> float | None:
    """The peak that PSNR refers to, in training values; None: the signal has no PSNR."""
    if signal.peak is None:
        return None
    mean_square = sum(s * s for s in signal.frame.scale) / len(signal.frame.scale)
    return float(signal.peak / mean_square**0.5)


def second_moments_of(run: Run) -> dict[str, Tensor] | None:
    """Adam's debiased second moments by parameter name; None if the optimizer has none."""
    beta2 = with_moments(run.settings.optimizer).beta2
    found = {}
    for name, p in run.field.named_parameters():
        state = run.optimizer.state.get(p, {})
        if "exp_avg_sq" not in state:
            return None
        steps = state.get("count", state.get("step", run.step))
        weight = 1 - beta2 ** torch.as_tensor(steps, dtype=torch.float64, device=p.device)
        found[name] = (state["exp_avg_sq"].double() / weight.clamp_min(1e-300)).detach().clone()
    return found or None
