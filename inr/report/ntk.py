"""The spectral-bias report of a signal and a family, or of a fitted field: what it can learn, and what not."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from inr._config import override, parse
from inr._errors import ConfigError, UsageError
from inr._samples import Samples
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, FitConfig, Run, resolve
from inr.ntk._forecast import Plan
from inr.ntk._memory import GIB, allowed
from inr.ntk._survey import FULL, QUICK, TRIAL, BandSurvey, Effort, limit_db, restated, survey, survey_bands, unlearned
from inr.ntk.report import Report, Trial
from inr.ntk.verdict import BASE, NEGLIGIBLE, judge
from inr.signals import Signal

MODES = {"quick": QUICK, "full": FULL}
REHEARSED = {"quick": (0.1, 50, 4096), "full": (0.25, 250, 16384)}
"""Share of the run, most steps, and largest batch of the rehearsal, after which the kernel is read."""
BYTES_PER_ENTRY = 48
"""float64: the matrix, its eigenvectors, and what the solver works in."""
SECONDS_PER_CUBE = 1e-9
"""Of an eigenvalue solver, on one core of about 2020."""
TRIAL_STEPS, TRIAL_BATCH = 20, 1024
"""Of the rehearsal of a setting that is tried."""
ADAMS = ("adam",)

Say = Callable[[str], None]


def ntk_report(
    signal: Signal,
    field: str | Mapping[str, Any] | FieldConfig | Fit | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    mode: str = "quick",
    points: int | None = None,
    rehearse: int | None = None,
    try_settings: bool = True,
    device: torch.device | None = None,
    say: Say = lambda part: None,
) -> Report:
    """What a field can learn of a signal within a run.

    field: a family or its settings, as for `inr.fit`; or a Fit, whose trained kernel is then read and compared with
    its start, and whose run is taken to be repeated from where it is. settings: of the run (steps, lr, seed).

    The kernel of most fields changes most in its first steps, so what it is at the start says too little. A family is
    therefore rehearsed first: `rehearse` steps of the run (None: a tenth of it and at most 50 in mode quick, a quarter
    and at most 250 in mode full; 0: read at the start), and the rest is forecast from there.

    mode: "quick" (seconds to a minute) or "full". points: of the kernel's matrix. try_settings: look for settings that
    leave less unlearned. Raises UsageError, ConfigError.
    """
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}, expected quick or full")
    effort = MODES[mode]
    if points is not None:
        if points < 4:
            raise UsageError(f"points is {points}, expected at least 4")
        effort = dataclasses.replace(effort, points=points)
    effort = by_channels(effort, signal.spec.d_out, points is not None)
    if signal.kind == "points":
        raise UsageError(
            "a signal of kind 'points' has no values to be aligned with", "take a mesh, a picture, a sound or an array"
        )
    say(_cost(effort, signal.spec.d_out))
    subject = _of_fit(signal, field, settings, device) if isinstance(field, Fit) else None
    if subject is None:
        assert not isinstance(field, Fit)
        share, most, batch = REHEARSED[mode]
        config, fit = resolve(signal, field, settings)
        steps = min(most, int(share * plan_of(fit).steps)) if rehearse is None else rehearse
        subject = _rehearsed(signal, config, fit, steps, batch, device, say)
    found = survey(
        subject.now,
        subject.samples,
        subject.plan,
        effort=effort,
        start=subject.start,
        field=subject.now.config.type_name,
        signal=signal.name,
        state=subject.state,
        rehearsed=subject.rehearsed,
        past=subject.past,
        peak=peak_of(signal),
        seed=subject.settings.seed,
        say=say,
    )
    if subject.settings.optimizer.type_name not in ADAMS:
        note = f"the run's optimizer is {subject.settings.optimizer.type_name!r}; it is forecast as Adam"
        found = dataclasses.replace(found, warnings=(*found.warnings, note))
    if subject.settings.loss is not None and not subject.settings.loss.is_mse:
        note = f"the run's loss is {subject.settings.loss.type_name!r}; the forecast is for the mean square error"
        found = dataclasses.replace(found, warnings=(*found.warnings, note))
    if (
        try_settings
        and found.verdict.unlearned > NEGLIGIBLE
        and found.bands
        and subject.state == "start"
        and found.steps
    ):
        found = dataclasses.replace(found, trials=tried(signal, subject, found, say))
    return judge(found)


def _cost(effort: Effort, channels: int) -> str:
    """What the matrix takes, said before it is made. Raises UsageError where it does not fit into memory."""
    rows = effort.points * channels
    needed, free = BYTES_PER_ENTRY * rows**2, allowed(None)
    if needed > free:
        raise UsageError(
            f"the kernel's matrix of {effort.points} points and {channels} channels needs about "
            f"{needed / GIB:.3g} GiB, and {free / GIB:.3g} GiB may be used",
            f"take at most {int((free / BYTES_PER_ENTRY) ** 0.5 / channels)} points",
        )
    seconds = SECONDS_PER_CUBE * rows**3
    time = f"about {seconds:.0f} s" if seconds >= 1 else "less than a second"
    return f"a matrix of {rows} rows: {needed / 1e6:.0f} MB, and {time} for each of its eigenbases"


def by_channels(effort: Effort, channels: int, is_given: bool) -> Effort:
    """Fewer points where a point is several rows of the matrix."""
    if is_given or effort.mode == "quick":
        return effort
    return dataclasses.replace(effort, points=max(256, effort.points * 2 // (1 + channels)))


@dataclasses.dataclass(frozen=True)
class Subject:
    """A field that is looked at: as it is, as it started, and the run that is forecast from there."""

    now: Field
    start: Field | None
    samples: Samples
    plan: Plan
    settings: FitConfig
    state: str
    rehearsed: int
    past: Mapping[str, torch.Tensor] | None = None


def peak_of(signal: Signal) -> float | None:
    """What PSNR refers to, in training values."""
    if signal.peak is None:
        return None
    mean_square = sum(s * s for s in signal.frame.scale) / len(signal.frame.scale)
    return float(signal.peak / mean_square**0.5)


def past_of(run: Run) -> dict[str, torch.Tensor] | None:
    """Adam's debiased second moments by parameter name; None where it has none."""
    beta2 = float(getattr(run.settings.optimizer, "beta2", 0.0))
    found = {}
    for name, p in run.field.named_parameters():
        state = run.optimizer.state.get(p, {})
        if "exp_avg_sq" not in state:
            return None
        steps = state.get("count", state.get("step", run.step))
        seen = 1 - beta2 ** torch.as_tensor(steps, dtype=torch.float64, device=p.device)
        found[name] = (state["exp_avg_sq"].double() / seen.clamp_min(1e-300)).detach().clone()
    return found or None


def plan_of(settings: FitConfig, done: int = 0) -> Plan:
    """The rest of a run."""
    optimizer: Any = settings.optimizer
    steps = 1000 if settings.steps is None else settings.steps
    rest = max(min(1, steps), steps - done)
    return Plan(
        steps=rest,
        lr=settings.lr,
        lr_encoding=settings.lr_encoding,
        done=done,
        batch=settings.batch,
        optimizer=settings.optimizer.type_name,
        beta2=float(getattr(optimizer, "beta2", 0.999)),
        eps=float(getattr(optimizer, "eps", 1e-8)),
        factor=lambda fraction: settings.schedule.factor((done + fraction * rest) / max(steps, 1)),
    )


def samples_of(signal: Signal, run: Run) -> Samples:
    def at(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch = run.pool.batch(index)
        return batch.x, batch.y

    return Samples(signal.spec, run.pool.size, at, run.pool.order)


def _rehearsed(
    signal: Signal, field: FieldConfig, fit: FitConfig, steps: int, batch: int, device: torch.device | None, say: Say
) -> Subject:
    config, fit = resolve(signal, field, fit)
    steps = min(steps, max(0, plan_of(fit).steps - 1))
    optimizer = fit.optimizer
    small = fit if optimizer.is_closed else dataclasses.replace(fit, batch=min(fit.batch, batch))
    run = Run(signal, config, dataclasses.replace(small, time_s=None, target_psnr_db=None), device)
    start = copy.deepcopy(run.field).eval()
    if steps:
        say(f"rehearsal of {steps} steps")
        seen = [0]

        def should_stop() -> bool:
            seen[0] += 1
            return seen[0] > steps

        run.advance(should_stop=should_stop)
    now = copy.deepcopy(run.field).eval()
    samples = samples_of(signal, run)
    return Subject(now, start if steps else None, samples, plan_of(fit, steps), fit, "start", steps, past_of(run))


def _of_fit(
    signal: Signal, fit: Fit, settings: Mapping[str, Any] | FitConfig | None, device: torch.device | None
) -> Subject:
    if (fit.spec.d_in, fit.spec.d_out) != (signal.spec.d_in, signal.spec.d_out):
        raise UsageError(
            f"the model goes from {fit.spec.d_in} coordinates to {fit.spec.d_out} channels, "
            f"the signal from {signal.spec.d_in} to {signal.spec.d_out}",
            "give the signal that it was fitted to",
        )
    if fit.spec.shape != signal.spec.shape:
        raise UsageError(
            f"the model was fitted to {fit.spec.shape} samples, the signal has {signal.spec.shape}",
            "give the signal that it was fitted to",
        )
    chosen = settings if isinstance(settings, FitConfig) else parse(FitConfig, settings or {}, "fit", fit.settings)
    run = Run(signal, fit.field.config, dataclasses.replace(fit.settings, seed=chosen.seed), device)
    start = copy.deepcopy(run.field).eval()
    return Subject(
        copy.deepcopy(fit.field).eval(), start, samples_of(signal, run), plan_of(chosen), chosen, "trained", fit.steps
    )


CANDIDATES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("activation.omega", (1.5, 2.0, 3.0)),
    ("encoding.sigma", (2.0, 4.0)),
)
"""Settings that move the kernel's roll-off, by factor."""


def candidates(config: FieldConfig, run_lr: float) -> list[tuple[str, FieldConfig, float]]:
    """(what, config, lr) of settings that may reach more, for a family as it is configured (not resolved)."""
    found: list[tuple[str, FieldConfig, float]] = []

    def add(what: str, changed: FieldConfig, lr: float = run_lr) -> None:
        found.append((what, changed, lr))

    for path, factors in CANDIDATES:
        value = _value(config, path)
        if isinstance(value, int | float) and value:
            for factor in factors:
                text = f"{path}={value * factor:g}"
                extra = (
                    [f"activation.omega_first={value * factor:g}"]
                    if _value(config, "activation.omega_first") == value
                    else []
                )
                changed = _changed(config, [text, *extra])
                if changed is not None:
                    add(text, changed)
    if config.type_name == "siren":
        changed = _family("winner", config)
        if changed is not None:
            add("--field winner", changed)
    activation: Any = getattr(config, "activation", None)
    encoding: Any = getattr(config, "encoding", None)
    linear: Any = getattr(config, "linear", None)
    if activation is not None and activation.type_name == "relu" and linear is not None and linear.type_name == "dense":
        if encoding is not None and encoding.type_name == "identity":
            changed = _changed(config, ["encoding=frequency"])
            if changed is not None:
                add("encoding=frequency", changed)
        if encoding is not None and encoding.type_name in ("identity", "frequency", "random_fourier"):
            changed = _changed(config, ["linear=fourier_reparam"])
            if changed is not None:
                add("linear=fourier_reparam", changed)
    finest = getattr(encoding, "finest", None)
    if finest:
        wider = ",".join(str(2 * n) for n in finest)
        changed = _changed(config, [f"encoding.finest={wider}"])
        if changed is not None:
            add(f"encoding.finest={wider}", changed)
    add(f"fit.lr={3 * run_lr:g}", config, 3 * run_lr)
    return found


def tried(signal: Signal, subject: Subject, base: Report, say: Say) -> tuple[Trial, ...]:
    """The forecast with settings changed, least unlearned first; all, and the field as it is, in trials alike.

    Where all runs can be followed they are; else the kernel is read on a few small windows, and the target's energies
    are the report's.
    """
    peak = peak_of(signal)
    found: list[tuple[str, BandSurvey, Plan]] = []
    here = (BASE, subject.now.config, subject.settings.lr)
    for what, config, lr in [here, *candidates(subject.now.config, subject.settings.lr)]:
        say(f"trying {what}")
        settings = dataclasses.replace(subject.settings, lr=lr)
        steps = min(subject.rehearsed, TRIAL_STEPS)
        try:
            other = _rehearsed(signal, config, settings, steps, TRIAL_BATCH, None, lambda part: None)
            seen = survey_bands(other.now, other.samples, other.plan, TRIAL, settings.seed, other.past)
        except (ConfigError, UsageError):
            continue
        assert seen is not None
        found.append((what, seen, other.plan))
    is_followed = all(seen.is_followed for _, seen, _ in found)
    rows = []
    for what, seen, plan in found:
        bands = seen.bands if is_followed else restated(seen, base.bands, plan)
        rows.append(Trial(what, unlearned(bands), limit_db(bands, peak, seen.size)))
    return tuple(sorted(rows, key=lambda t: t.unlearned))


def _changed(config: FieldConfig, texts: list[str]) -> FieldConfig | None:
    try:
        return override(config, texts, "field")
    except ConfigError:
        return None


def _family(name: str, like: FieldConfig) -> FieldConfig | None:
    try:
        return parse(FieldConfig, {"type": name, "width": getattr(like, "width", 256)}, "field")
    except ConfigError:
        return None


def _value(config: Any, path: str) -> Any:
    for part in path.split("."):
        config = getattr(config, part, None)
    return config
