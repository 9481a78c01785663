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
from inr.workflows.fit import FitPlan
from inr.workflows.start import Start


def distil(
    fit: Fit,
    field: str | Mapping[str, Any] | FieldConfig,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    stages: int = 1,
    name: str = "",
    device: torch.device | None = None,
    observers: Observers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to another fitted field. After Fang et al. 2022 (PVD), arXiv:2211.15977.

    The student s minimises its loss against the teacher's values, mean (s(x) - t(x))^2 for lattices, on the lattice
    and as many uniform points, and the relative error for distances, on points of the teacher's own zero set, near it,
    and uniform. Both are functions on the same unit box, so samples do not shift. The recipe is the student's own.

    stages: PVD distils deep features before outputs, which needs architectures that share them; what is the same for
    any two fields is that coarse comes before fine. Of S stages, each with 1/S of the steps or time, stage k sees the
    teacher under a Gaussian of 2^(S-2-k) samples (distances: uniform points only), the last sees the teacher itself.
    name: the teacher's file, for the provenance. observers: of every stage, see `FitPlan`.
    Returns the student's Fit: its `metrics` are its fidelity to the teacher, not to the signal.
    Raises UsageError for fewer than 1 or more than 8 stages, ConfigError for wrong settings.
    """
    if not 1 <= stages <= 8:
        raise UsageError(f"`stages` is {stages}, expected 1 to 8")
    teacher = teacher_of(fit, name or fit.source)
    config, resolved = resolve(teacher, field, settings)
    if resolved.steps == 0:
        stages = 1
    shares = _shares(resolved, stages)
    done, seconds = 0, 0.0
    outcome: Outcome = "done"
    before: Fit | None = None
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
        provenance={"distilled_from": origin(fit, name)},
    )
    return dataclasses.replace(student, metrics=teacher.metrics(student))


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
