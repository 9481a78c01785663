"""Settings of the field and of the run that may learn more, each tried in a rehearsal of the whole run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from inr.core.config import override
from inr.core.errors import ConfigError, UsageError
from inr.fields import FieldConfig
from inr.fitting import FitConfig, resolve
from inr.ntk.forecast.bands import unlearned
from inr.ntk.rehearsal import Subject
from inr.ntk.report import UNCHANGED, Band, Report, Trial
from inr.ntk.thin_runs import Course, rehearse_whole
from inr.ntk.trials import candidates
from inr.signals import Signal

PART = 1 / 3
"""Of a report's rehearsal, for each trial."""
RATES = (3.0, 1 / 3)
OPTIMIZERS = ("soap", "adam")
TINY = 1e-12


@dataclass(frozen=True)
class Change:
    """What is changed, in the words of `--set`, and the settings with it."""

    what: str
    field: FieldConfig
    run: FitConfig


def changes(signal: Signal, config: FieldConfig, settings: FitConfig) -> list[Change]:
    """The rate, the optimizer, the schedule and the family's recipe; and what `candidates` has of the field."""
    found = [Change(f"fit.lr={settings.lr * by:.3g}", config, override(settings, [f"lr={settings.lr * by:.3g}"], "fit"))
             for by in RATES]  # fmt: skip
    others = [f"optimizer={name}" for name in OPTIMIZERS if settings.optimizer.type_name != name]
    if settings.schedule.type_name != "cosine":
        others.append("schedule=cosine")
    found += [Change(f"fit.{text}", config, override(settings, [text], "fit")) for text in others]
    best = resolve(signal, config, {"steps": settings.steps, "seed": settings.seed})[1]
    named = ("lr", "lr_encoding", "optimizer", "schedule", "batch", "sampler", "ema")
    if any(getattr(best, name) != getattr(settings, name) for name in named):
        found.append(Change("--recipe best", config, best))
    own = [(what, changed) for what, changed, lr in candidates(config, settings.lr) if lr == settings.lr]
    return found + [Change(what, changed, settings) for what, changed in own]


def rehearse_trials(
    signal: Signal, subject: Subject, base: Report, share: float, on_progress: Callable[[str], None]
) -> tuple[Trial, ...]:
    """The settings unchanged and each of `changes`, rehearsed with a third of `share`; largest gain first.

    Gains are between rehearsals of the same size. A change that the field refuses is left out; one that diverges has
    the gain -inf.
    """
    config, settings, samples = subject.now.config, subject.settings, subject.samples

    def rehearsed(change: Change) -> Course:
        on_progress(f"trying {change.what}")
        return rehearse_whole(signal, change.field, change.run, samples, share * PART, _device(subject))

    plain = rehearsed(Change(UNCHANGED, config, settings))
    found = [_trial(UNCHANGED, plain, plain, base.bands)]
    for change in changes(signal, config, settings):
        try:
            found.append(_trial(change.what, rehearsed(change), plain, base.bands))
        except (ConfigError, UsageError):
            continue
    return tuple(sorted(found, key=lambda t: -t.gain_db))


def _device(subject: Subject) -> torch.device:
    return next(subject.now.parameters()).device


def _trial(what: str, course: Course, plain: Course, bands: Sequence[Band]) -> Trial:
    if course.has_diverged:
        return Trial(what, 1.0, -math.inf, -math.inf)
    if not bands:
        return Trial(what, min(1.0, course.final), math.nan, _db(plain.final) - _db(course.final))
    left, before = (_by_band(c, bands) for c in (course, plain))
    changed = tuple(dataclasses.replace(b, left_adam=e) for b, e in zip(bands, left, strict=True))
    return Trial(what, unlearned(changed), math.nan, _total_db(before, bands) - _total_db(left, bands))


def _by_band(course: Course, bands: Sequence[Band]) -> list[float]:
    final: list[float] = course.at(tuple(b.rho for b in bands))[-1].tolist()
    return final


def _total_db(left: Sequence[float], bands: Sequence[Band]) -> float:
    """Of all bands, in dB of the target's energy."""
    total = sum(b.target_energy for b in bands)
    return _db(sum(b.target_energy * e for b, e in zip(bands, left, strict=True)) / max(total, TINY))


def _db(share: float) -> float:
    return 10 * math.log10(max(share, TINY))
