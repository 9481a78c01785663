"""Comparison: several families fitted to one signal under one budget."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from inr.core.config import parse
from inr.core.errors import InrError, UsageError
from inr.fields import FIELDS, FieldConfig, RecipeName
from inr.fitting import Fit, Progress, Run, resolve
from inr.fitting.observer import Observers
from inr.signals import Signal
from inr.workflows.fit import FitPlan
from inr.workflows.sizing import count_parameters, sized

MEASUREMENTS = 12
"""Measurements of the quality after the start of a fit, at (k / MEASUREMENTS)^2 of its budget."""


@dataclasses.dataclass(frozen=True)
class FitBudget:
    """The same for every family: at most `params` parameters, `time_s` seconds or `steps` each; None: their own."""

    params: int | None = None
    time_s: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.params is not None and self.params < 1:
            raise UsageError(f"the budget is {self.params} parameters, expected at least 1")
        if self.time_s is not None and not self.time_s > 0:
            raise UsageError(f"the budget is {self.time_s:g} s, expected more than 0")

    def text(self) -> str:
        parts = [
            None if self.params is None else f"at most {self.params:,} parameters",
            None if self.time_s is None else f"{self.time_s:g} s each",
            None if self.steps is None else f"{self.steps} steps",
        ]
        return ", ".join(filter(None, parts)) or "each at its own defaults"


@dataclasses.dataclass(frozen=True)
class QualityPoint:
    """The quality (the signal's headline metric) of a fit after `step` steps."""

    step: int
    seconds: float
    quality: float


@dataclasses.dataclass(frozen=True)
class FamilyResult:
    """One family's result. sizes: the size settings that the budget chose. n_bytes: of its model file.

    seconds: of the steps; of a closed form, of its solution.
    """

    field: str
    fit: Fit
    n_bytes: int
    seconds: float
    sizes: Mapping[str, int]
    curve: tuple[QualityPoint, ...]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The results of several families, ranked.

    entries: best first. refused: family -> why it could not take part. headline: the metric they are ranked by.
    """

    signal: Signal
    budget: FitBudget
    headline: str
    entries: tuple[FamilyResult, ...]
    refused: Mapping[str, str]

    def quality(self, entry: FamilyResult) -> float:
        return entry.fit.metrics[self.headline]


def is_higher_better(metric: str) -> bool:
    """Whether a larger value of a metric is better: decibels, overlaps and similarities, but not errors."""
    return metric.endswith("_db") or metric.startswith("iou") or metric == "ssim"


def compare(
    signal: Signal,
    fields: Sequence[str | Mapping[str, Any] | FieldConfig] | None = None,
    budget: FitBudget | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    recipe: RecipeName = "best",
    measurements: int = MEASUREMENTS,
    device: torch.device | None = None,
    observers: Observers | None = None,
    on_progress: Callable[[str, Progress], None] | None = None,
) -> Comparison:
    """Fit families one after the other, each with its own recipe, and rank them.

    fields: names, documents or configs; None: every registered family. settings: of every fit, over its recipe (seed).
    recipe: the families' "best", or their "paper"s'.
    measurements: how often the whole signal is measured, for the curve of a fit; 1: at its end only.
    observers: of every run, see `FitPlan`.
    The seconds exclude measuring and compiling kernels: before each fit one step of a discarded run compiles them. A
    family whose recipe has no steps (closed form) keeps none.
    A family that cannot take the signal or the budget is in `refused`. Raises UsageError for an unknown name.
    """
    budget = budget or FitBudget()
    entries: list[FamilyResult] = []
    refused: dict[str, str] = {}
    configs = [f if isinstance(f, FieldConfig) else parse(FieldConfig, f, "field") for f in fields or list(FIELDS)]
    for config in configs:
        name = config.type_name
        try:
            entries.append(
                _entry(signal, config, budget, settings or {}, recipe, measurements, device, observers, on_progress)
            )
        except InrError as error:
            refused[name] = error.message
        except (MemoryError, RuntimeError, ValueError) as error:  # one family's failure does not end the comparison
            refused[name] = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    sign = -1 if is_higher_better(signal.headline) else 1

    def rank(entry: FamilyResult) -> float:
        value = entry.fit.metrics[signal.headline]
        return math.inf if math.isnan(value) else sign * value

    return Comparison(signal, budget, signal.headline, tuple(sorted(entries, key=rank)), refused)


def _entry(
    signal: Signal,
    config: FieldConfig,
    budget: FitBudget,
    settings: Mapping[str, Any],
    recipe: RecipeName,
    measurements: int,
    device: torch.device | None,
    observers: Observers | None,
    on_progress: Callable[[str, Progress], None] | None,
) -> FamilyResult:
    sizes: Mapping[str, int] = {}
    if budget.params is not None and count_parameters(config.resolve(signal.spec), signal.spec) != budget.params:
        fitting = sized(config, signal.spec, budget.params)
        config, sizes = fitting.config, fitting.settings
    config, fit_config = resolve(signal, config, settings, recipe=recipe)
    if fit_config.steps != 0:
        if budget.time_s is not None:
            fit_config = dataclasses.replace(fit_config, steps=budget.steps, time_s=budget.time_s)
        elif budget.steps is not None:
            fit_config = dataclasses.replace(fit_config, steps=budget.steps)
    name = config.type_name
    plan = FitPlan(signal, config, fit_config, device, observers=observers)
    if fit_config.steps != 0:
        rehearsal = plan.begin()
        rehearsal.advance(should_stop=lambda: rehearsal.step >= 1)
    start = time.perf_counter()
    run = plan.begin()
    solved = time.perf_counter() - start if fit_config.steps == 0 else 0.0
    curve: list[QualityPoint] = []
    last = -1
    for k in range(0 if measurements > 1 else 1, measurements + 1):
        until = (k / measurements) ** 2

        def is_due(until: float = until) -> bool:
            return run.fraction_done() >= until

        outcome = run.advance(
            None if on_progress is None else lambda p: on_progress(name, p),
            should_stop=is_due if k < measurements else None,
        )
        if run.step != last:
            curve.append(QualityPoint(run.step, run.seconds + solved, _quality(run, signal)))
            last = run.step
        if outcome != "interrupted":
            break
    fit = run.result(outcome)
    curve[-1] = dataclasses.replace(curve[-1], quality=fit.metrics[signal.headline])  # of the parameters as stored
    return FamilyResult(name, fit, len(fit.to_bytes()), fit.seconds + solved, sizes, tuple(curve))


def _quality(run: Run, signal: Signal) -> float:
    return signal.metrics(run.result("done", with_metrics=False))[signal.headline]
