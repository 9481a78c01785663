"""The spectral-bias report: what a field can learn of a signal within a run, and what it cannot."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn

from inr.core import device as _device
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.fitting import Fit, FitConfig, resolve
from inr.ntk.forecast.bands import FULL, QUICK, Effort
from inr.ntk.kernel.memory import GIB, allowed
from inr.ntk.measure import measure
from inr.ntk.rehearsal import Subject, plan_of, rehearsed, trained
from inr.ntk.rehearsed_trials import rehearse_trials
from inr.ntk.report import Report
from inr.ntk.thin_runs import check_share, rehearse_whole
from inr.ntk.torch_module import TorchModule
from inr.ntk.trials import run_trials
from inr.ntk.verdict import NEGLIGIBLE, judge
from inr.signals import Signal, Source, load_signal

MODES = {"quick": QUICK, "full": FULL}
REHEARSAL = {"quick": (0.1, 50, 4096), "full": (0.25, 250, 16384)}
"""Share of the run, most steps, and largest batch of the rehearsal, after which the kernel is read."""
BYTES_PER_ENTRY = 48
"""float64: the matrix, its eigenvectors, and the solver's workspace."""
SECONDS_PER_CUBE = 1e-9
"""Of an eigenvalue solver, on one core of about 2020."""


def ntk_report(
    source: Signal | Fit | Source | str | Path | nn.Module,
    field: str | Mapping[str, Any] | FieldConfig | nn.Module | Signal | Source | Path | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    signal: Signal | Source | str | Path | None = None,
    mode: str = "quick",
    points: int | None = None,
    rehearse: float | None = None,
    try_settings: bool = True,
    device: str | torch.device = "auto",
    on_progress: Callable[[str], None] | None = None,
) -> Report:
    """Predict what a field will learn of a signal, from its tangent kernel.

    The kernel of most fields changes most in the first steps, so a new field is first trained for a few steps: the
    rehearsal. The kernel is then read, compared with the signal's spectrum, and the rest of the run is forecast. The
    kernel of a model is compared with the one before its training, and the forecast repeats its run from its present
    parameters.

    Args:
        source: a signal (a file's path, `analytic:NAME`, or loaded), a model (a .safetensors file, or a `Fit`), or any
            torch module, with the signal in `signal`.
        field: for a signal: a family's name, a document of its settings, a config, or a torch module; by default what
            suits the signal's kind. A module maps coordinates [N, D] in [-1, 1] to values [N, C]; other coordinates:
            `inr.ntk.TorchModule(module=..., low=0, high=1)`. It is copied. Other settings of it are not tried. Where
            `source` is a module, the signal.
        settings: of the run that is forecast, as for `inr.fit`. Defaults: the family's recipe, or the model's own.
        signal: for a model: the signal that it was fitted to; for a torch module: the one that it is to learn.
        mode: "quick" (seconds to a minute), or "full": also compares predicted runs with actual ones.
        points: of the kernel's matrix. Default: 256; full: 512 to 1024.
        rehearse: steps of the rehearsal, as a whole number; 0 reads the kernel of the untrained field. Default: a tenth
            of the run and at most 50; full: a quarter and at most 250. A share of the fit in (0, 1), such as 0.1:
            also rehearse all of its steps with its optimizer and schedule, on so small a part of the samples. The
            forecast then follows the kernel as it changes, and has narrower intervals; settings are tried in the
            same way, each with at most a third of the share.
        try_settings: also try settings that may leave less unlearned.
        device: "auto", "cpu", "cuda", "cuda:INDEX" or "mps".
        on_progress: called with a line about each part of the work before it starts.

    Returns:
        A `Report`. `report.verdict.unlearned` is the share of the signal's energy that will not be learned,
        `report.verdict.findings` says it in sentences, `report.bands` has it by frequency.

    Raises:
        UnreadableError: a file is missing or damaged.
        ConfigError: settings are wrong; all of them are listed.
        UsageError: the signal is constant or a point cloud, does not belong to the model, the matrix does not fit
            into memory, or a module does not map each point to the signal's channels.

    Examples:
        >>> import inr
        >>> report = inr.ntk_report("photo.png", "siren", {"steps": 30}, points=64, try_settings=False)
        >>> 0 <= report.verdict.unlearned <= 1
        True
        >>> report.verdict.findings[0].rule
        'unlearned'
    """
    if mode not in MODES:
        raise UsageError(f"`mode` is {mode!r}, expected quick or full")
    if points is not None and points < 4:
        raise UsageError(f"`points` is {points}, expected at least 4")
    share = _share(rehearse)
    steps = None if share is not None or rehearse is None else int(rehearse)
    tell = on_progress or (lambda part: None)
    if isinstance(source, nn.Module):
        source, field, signal = _of_module(source, field, signal)
    if isinstance(field, nn.Module):
        field = TorchModule(module=field)
    if isinstance(field, Signal | Source | Path):
        raise UsageError("`field` is a signal, expected a family", "give a signal first, or after a torch module")
    model = _model(source, field, signal)
    target = _loaded(source if model is None else signal)
    _check(target)
    if share is not None and model is not None:
        raise UsageError("a share of a fit can be rehearsed only for a new field", "give the signal and `field`")
    effort = _effort(mode, points, target.spec.d_out)
    tell(_cost(effort, target.spec.d_out))
    where = device if isinstance(device, torch.device) else _device.pick(device)[0]
    if model is None:
        subject = _rehearsed(target, field, settings, mode, steps, where, tell, is_whole=share is not None)
    else:
        subject = trained(target, model, settings, where)
    course = None
    if share is not None:
        if math.isfinite(subject.fit_seconds):
            tell(f"the fit itself would take about {subject.fit_seconds:.2g} s")
        course = rehearse_whole(target, subject.now.config, subject.settings, subject.samples, share, where, tell)
    found = _with_notes(measure(subject, target, effort, tell, course), subject.settings)
    is_own = not isinstance(subject.now.config, TorchModule)
    is_worth = share is not None or (found.bands and found.verdict.unlearned > NEGLIGIBLE)
    can_try = is_own and subject.state == "start" and found.steps and is_worth
    if try_settings and can_try:
        trials = (
            run_trials(target, subject, found, tell) if share is None else rehearse_trials(target, subject, share, tell)
        )
        found = dataclasses.replace(found, trials=trials)
    return judge(found)


def _share(rehearse: float | None) -> float | None:
    """A share of the fit, or None for a number of steps."""
    if rehearse is None or rehearse == int(rehearse):
        if rehearse is not None and rehearse < 0:
            raise UsageError(f"`rehearse` is {rehearse}, expected steps >= 0, or a share of the fit such as 0.1")
        return None
    if not 0 < rehearse < 1:
        raise UsageError(f"`rehearse` is {rehearse}, expected a whole number of steps, or a share in (0, 1)")
    return rehearse


def _of_module(
    module: nn.Module, field: object, signal: Signal | Source | str | Path | None
) -> tuple[Signal | Source | str | Path, nn.Module, None]:
    """A module given first, and its signal in either of the places after it, in the order of other calls."""
    given = [value for value in (field, signal) if value is not None]
    if len(given) != 1 or not isinstance(given[0], Signal | Source | str | Path):
        raise UsageError(f"a module needs one signal, given {len(given)}", "use `ntk_report(module, signal=...)`")
    return given[0], module, None


def _model(source: object, field: object, signal: object) -> Fit | None:
    """The model, if `source` is one."""
    if isinstance(source, str | Path) and Path(source).suffix == ".safetensors":
        source = Source.of(source)
    if isinstance(source, Source) and source.suffix == ".safetensors":
        source = Fit.load(source)
    if not isinstance(source, Fit):
        if signal is not None:
            raise UsageError("`signal` is only for a model, but a signal is given already")
        return None
    if field is not None:
        raise UsageError("`field` cannot be used with a model, which has its own field", "give the signal instead")
    if signal is None:
        raise UsageError(
            "a model needs `signal`, the signal that it was fitted to",
            f"it was fitted to {source.source!r}" if source.source else None,
        )
    return source


def _loaded(source: object) -> Signal:
    if isinstance(source, Signal):
        return source
    assert isinstance(source, Source | str | Path)
    return load_signal(source)


def _check(signal: Signal) -> None:
    if signal.spec.traits.is_surface_only:
        raise UsageError(
            "a point cloud has no values that the kernel could be compared with",
            "use a mesh, a picture, a sound or an array",
        )
    if signal.spec.shape is not None and Samples.counted(signal.spec, signal.pool(Generator())).is_constant():
        raise UsageError(
            "the signal is constant, so there is no spectrum to forecast",
            "colours under alpha 0 do not count" if signal.spec.traits.is_picture else None,
        )


def _effort(mode: str, points: int | None, channels: int) -> Effort:
    """By default fewer points if each is several rows of the matrix."""
    effort = MODES[mode]
    if points is not None:
        return dataclasses.replace(effort, points=points)
    if mode == "quick":
        return effort
    return dataclasses.replace(effort, points=max(256, effort.points * 2 // (1 + channels)))


def _cost(effort: Effort, channels: int) -> str:
    """A line on what the matrix costs. Raises UsageError if it does not fit into memory."""
    rows = effort.points * channels
    needed, free = BYTES_PER_ENTRY * rows**2, allowed(None)
    if needed > free:
        raise UsageError(
            f"the kernel's matrix of {effort.points} points and {channels} channels needs about "
            f"{needed / GIB:.3g} GiB, but only {free / GIB:.3g} GiB may be used",
            f"use at most {int((free / BYTES_PER_ENTRY) ** 0.5 / channels)} points",
        )
    seconds = SECONDS_PER_CUBE * rows**3
    time = f"about {seconds:.0f} s" if seconds >= 1 else "less than a second"
    return f"a matrix of {rows} rows: {needed / 1e6:.0f} MB, and {time} for each of its eigenbases"


def _rehearsed(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | None,
    settings: Mapping[str, Any] | FitConfig | None,
    mode: str,
    rehearse: int | None,
    device: torch.device,
    tell: Callable[[str], None],
    *,
    is_whole: bool,
) -> Subject:
    """is_whole: a rehearsal of the whole run follows, which not all optimizers allow."""
    share, most, batch = REHEARSAL[mode]
    config, fit = resolve(signal, field, settings)
    if is_whole:
        check_share(fit)
    steps = min(most, int(share * plan_of(fit).steps)) if rehearse is None else rehearse
    return rehearsed(signal, config, fit, steps, batch, device, tell)


def _with_notes(report: Report, settings: FitConfig) -> Report:
    """With a warning for each setting of the run that the forecast does not follow; a rehearsal follows all."""
    notes: list[str] = []
    if report.rehearsal is not None:
        return report
    if not settings.optimizer.is_adam_like:
        notes.append(f"the forecast is for Adam, but the run's optimizer is {settings.optimizer.type_name!r}")
    if settings.base_width is not None:
        notes.append("the forecast is for one learning rate, but the run's rates depend on the width (base_width)")
    if settings.loss is not None and not settings.loss.is_mse:
        notes.append(f"the forecast is for the mean squared error, but the run's loss is {settings.loss.type_name!r}")
    return dataclasses.replace(report, warnings=(*report.warnings, *notes))
