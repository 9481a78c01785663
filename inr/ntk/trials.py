"""Settings that may let a field learn more, each tried in a short forecast."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from inr.core.config import override, parse
from inr.core.errors import ConfigError, UsageError
from inr.fields import FieldConfig
from inr.ntk.forecast.adaptive import TrainingPlan
from inr.ntk.forecast.bands import TRIAL, BandSurvey, limit_db, restated, survey_bands, unlearned
from inr.ntk.rehearsal import Subject, peak_of, rehearsed
from inr.ntk.report import UNCHANGED, Report, Trial
from inr.signals import Signal

TRIAL_STEPS, TRIAL_BATCH = 20, 1024
"""Of each trial's rehearsal."""
SIGMA: tuple[str, tuple[float, ...]] = ("encoding.sigma", (2.0, 4.0))
OMEGA: tuple[str, tuple[float, ...]] = ("activation.omega", (1.5, 2.0, 3.0))
"""Settings that move the kernel's roll-off, and the factors that are tried. Omega only in rehearsals of the whole run:
after trials of a few steps, higher ones lost 0.8 dB in the mean of 11 fits (records `verdict-advice`)."""

Candidate = tuple[str, FieldConfig, float]
"""What is changed, the field's settings, and the learning rate."""


def candidates(config: FieldConfig, run_lr: float, *, is_rehearsed: bool = False) -> list[Candidate]:
    """Settings that may learn more. config: of a family as it was configured, not resolved. is_rehearsed: they will be
    tried in rehearsals of the whole run."""
    found = _frequencies(config, run_lr, (OMEGA, SIGMA) if is_rehearsed else (SIGMA,))
    if config.type_name == "siren":
        found += _candidate("field=winner", _family("winner", config), run_lr)
    activation, encoding, linear = (setting_at(config, name) for name in ("activation", "encoding", "linear"))
    if _is_type(activation, "relu") and _is_type(linear, "dense"):
        if _is_type(encoding, "identity"):
            found += _changed(config, ["encoding=frequency"], run_lr)
        if _is_type(encoding, "identity", "frequency", "random_fourier"):
            found += _changed(config, ["linear=fourier_reparam"], run_lr)
    finest = getattr(encoding, "finest", None)
    if finest:
        found += _changed(config, [f"encoding.finest={','.join(str(2 * n) for n in finest)}"], run_lr)
    return [*found, (f"fit.lr={3 * run_lr:g}", config, 3 * run_lr)]


def run_trials(signal: Signal, subject: Subject, base: Report, on_progress: Callable[[str], None]) -> tuple[Trial, ...]:
    """The forecast for each candidate and for the field unchanged, least unlearned first.

    If all of the runs can be followed, they are. Otherwise the kernel is read on a few small windows, and the target's
    energies are those of the report `base`.
    """
    found: list[tuple[str, BandSurvey, TrainingPlan]] = []
    config, lr = subject.now.config, subject.settings.lr
    for what, changed, rate in [(UNCHANGED, config, lr), *candidates(config, lr)]:
        on_progress(f"trying {what}")
        settings = dataclasses.replace(subject.settings, lr=rate)
        try:
            other = rehearsed(signal, changed, settings, min(subject.rehearsed, TRIAL_STEPS), TRIAL_BATCH)
            survey = survey_bands(other.now, other.samples, other.plan, TRIAL, settings.seed, other.past)
        except (ConfigError, UsageError):
            continue
        assert survey is not None
        found.append((what, survey, other.plan))
    is_followed = all(survey.is_followed for _, survey, _ in found)
    peak = peak_of(signal)
    trials = []
    for what, survey, plan in found:
        bands = survey.bands if is_followed else restated(survey, base.bands, plan)
        trials.append(Trial(what, unlearned(bands), limit_db(bands, peak, survey.size)))
    return tuple(sorted(trials, key=lambda t: t.unlearned))


def _frequencies(config: FieldConfig, run_lr: float, tried: Sequence[tuple[str, tuple[float, ...]]]) -> list[Candidate]:
    found: list[Candidate] = []
    for path, factors in tried:
        value = setting_at(config, path)
        if not isinstance(value, int | float) or not value:
            continue
        has_same_first = setting_at(config, "activation.omega_first") == value
        for factor in factors:
            first = [f"activation.omega_first={value * factor:g}"] if has_same_first else []
            found += _changed(config, [f"{path}={value * factor:g}", *first], run_lr)
    return found


def _changed(config: FieldConfig, settings: list[str], lr: float) -> list[Candidate]:
    """One candidate, named by the first setting, or none if the family refuses the settings."""
    try:
        return _candidate(settings[0], override(config, settings, "field"), lr)
    except ConfigError:
        return []


def _candidate(what: str, config: FieldConfig | None, lr: float) -> list[Candidate]:
    return [] if config is None else [(what, config, lr)]


def _family(name: str, like: FieldConfig) -> FieldConfig | None:
    try:
        return parse(FieldConfig, {"type": name, "width": getattr(like, "width", 256)}, "field")
    except ConfigError:
        return None


def _is_type(part: Any, *names: str) -> bool:
    return part is not None and part.type_name in names


def setting_at(config: Any, path: str) -> Any:
    """The setting at a path such as `activation.omega`; None if there is none."""
    for part in path.split("."):
        config = getattr(config, part, None)
    return config
