"""Distillation: from a fitted field to a field of any other family, without the signal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.fitting import Fit, FitConfig, Outcome, Progress, resolve
from inr.fitting.observer import Observers
from inr.fitting.samplers.standard import Shuffled
from inr.fitting.teacher import Teacher, teacher_of
from inr.fitting.warm_start import origin
from inr.workflows.feature_distillation import feature_start
from inr.workflows.fit import FitPlan
from inr.workflows.start import Start


def distil(
    fit: Fit | Teacher,
    field: str | Mapping[str, Any] | FieldConfig,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    stages: int = 1,
    features: float = 0.0,
    name: str = "",
    device: torch.device | None = None,
    observers: Observers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to another fitted field. After Fang et al. 2022 (PVD), arXiv:2211.15977.

    The student s minimises its loss against the teacher's values, mean (s(x) - t(x))^2 for lattices, on the lattice
    and as many uniform points, and the relative error for distances, on points of the teacher's own zero set, near it,
    and uniform. Both are functions on the same unit box, so samples do not shift. The recipe is the student's own.

    stages: coarse before fine. Of S stages, each with 1/S of the steps or time, stage k sees the teacher under a
    Gaussian of 2^(S-2-k) samples (distances: uniform points only), the last sees the teacher itself.
    features: part of the steps or time that comes before, in which the student's last features are fitted to the
    teacher's (`feature_start`). The paper: features of equal size in both networks; here: a linear map between them,
    because families differ in width. The paper: their loss stays, with a weight that falls by 0.995 per step; here: it
    ends, because nothing of that weight is left after a few hundred steps.
    fit: or the teacher that was made of it. name: the teacher's file, for the provenance. observers: of every stage,
    see `FitPlan`.
    Returns the student's Fit: its `metrics` are its fidelity to the teacher, not to the signal.
    Raises UsageError for fewer than 1 or more than 8 stages, for `features` outside [0, 1), and for fields without a
    last linear map if features are distilled; ConfigError for wrong settings.
    """
    if not 1 <= stages <= 8:
        raise UsageError(f"`stages` is {stages}, expected 1 to 8")
    if not 0 <= features < 1:
        raise UsageError(f"`features` is {features:g}, expected at least 0 and less than 1")
    teacher = fit if isinstance(fit, Teacher) else teacher_of(fit, name or fit.source)
    config, resolved = resolve(teacher, field, settings)
    if resolved.steps == 0:
        stages, features = 1, 0.0
    shares = _shares(_part(resolved, 1 - features), stages)
    done, seconds = 0, 0.0
    outcome: Outcome = "done"
    before: Fit | None = None
    if features:
        share, shown = _part(resolved, features), _shifted(on_progress, 0, 0.0, resolved)
        before = feature_start(teacher, config, share, device=device, observers=observers, on_progress=shown)
        done, seconds = before.steps, before.seconds
    for k, share in enumerate(shares):
        stage = _stage(teacher, share, stages - 1 - k)
        run = FitPlan(stage, config, share, device, start=Start(before), observers=observers).begin()
        outcome = run.advance(_shifted(on_progress, done, seconds, resolved))
        before = run.result(outcome, with_metrics=False)
        done, seconds = done + run.step, seconds + run.seconds
        if outcome != "done":
            break
    assert before is not None
    student = dataclasses.replace(
        before,
        settings=resolved,
        steps=done,
        seconds=seconds,
        provenance={"distilled_from": origin(teacher.fit, name)},
    )
    return dataclasses.replace(student, metrics=teacher.metrics(student))


def _part(settings: FitConfig, share: float) -> FitConfig:
    """Settings of a run with a share of the steps or time."""
    if share == 1:
        return settings
    steps = None if settings.steps is None else max(1, round(share * settings.steps))
    time_s = None if settings.time_s is None else share * settings.time_s
    return dataclasses.replace(settings, steps=steps, time_s=time_s)


def _stage(teacher: Teacher, settings: FitConfig, coarseness: int) -> Teacher:
    """A sampler that works by axes, and a closed form, need only the lattice."""
    is_lattice = settings.steps == 0 or not isinstance(settings.sampler, Shuffled)
    return teacher.at_stage(coarseness, is_lattice=is_lattice)


def _shares(settings: FitConfig, stages: int) -> list[FitConfig]:
    time_s = None if settings.time_s is None else settings.time_s / stages
    shares = []
    for k in range(stages):
        steps = settings.steps
        if steps is not None:
            steps = steps * (k + 1) // stages - steps * k // stages
        is_last = k == stages - 1
        target = settings.target_psnr_db if is_last else None
        shares.append(dataclasses.replace(settings, steps=steps, time_s=time_s, target_psnr_db=target))
    return shares


def _shifted(
    on_progress: Callable[[Progress], None] | None, steps: int, seconds: float, settings: FitConfig
) -> Callable[[Progress], None] | None:
    """Progress of the whole, from that of one stage."""
    if on_progress is None:
        return None

    def shifted(p: Progress) -> None:
        on_progress(dataclasses.replace(p, step=steps + p.step, steps=settings.steps, seconds=seconds + p.seconds))

    return shifted
