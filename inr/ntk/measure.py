"""From a field and a signal's samples to the numbers of a report."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.curvature_density import MOST_PARAMETERS, curvature_density
from inr.ntk.forecast.adaptive import TrainingPlan, forecast_descent
from inr.ntk.forecast.bands import BandSurvey, Effort, limit_db, survey_bands, unlearned
from inr.ntk.forecast.blend import blend
from inr.ntk.forecast.calibration import Calibration, calibration_of, family_class
from inr.ntk.forecast.intervals import rehearsed_bands, with_intervals
from inr.ntk.forecast.linearised import converge, training_jacobian
from inr.ntk.kernel.infinite_width import infinite_width
from inr.ntk.kernel.matrix import Kernel, tangent_kernel
from inr.ntk.kernel.wide_posterior import wide_answers
from inr.ntk.rehearsal import Subject, peak_of
from inr.ntk.report import Band, Convergence, Modes, Rehearsal, Report, Verdict, Wide
from inr.ntk.spectra.alignment import (
    Drift,
    alignment,
    cka,
    debiased_cka,
    drift,
    kernel_target_alignment,
    label_gradient_alignment,
    target_alignment,
)
from inr.ntk.spectra.bands import spectral_centroid
from inr.ntk.spectra.power_laws import effective_dimension, power_laws
from inr.ntk.spectra.sanity import violations
from inr.ntk.spectra.spectrum import Spectrum, condition, modes_for, ranks, spectrum
from inr.ntk.thin_runs import Course
from inr.signals import Signal

ANSWER_POINTS = 96
"""Samples from which infinitely wide networks answer, and as many others that they answer."""
DRIFT_POINTS, RUN_POINTS, WIDE_POINTS, JACOBIAN_POINTS = 1024, 2048, 256, 256
"""Of the matrix's points, at most: for the kernel at the start, for runs that are compared with their forecast, for the
infinite width, and for the training Jacobian."""
MOST_JACOBIAN = 400
"""Parameters up to which the Jacobian of a training run is computed."""


class Clock:
    """Seconds by part of the work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)


def measure(
    subject: Subject,
    signal: Signal,
    effort: Effort,
    on_progress: Callable[[str], None],
    course: Course | None = None,
) -> Report:
    """Everything in a report but its trials and the sentences of its verdict.

    course: a rehearsal of the whole run, whose forecast takes the place of the kernel's.

    Raises UsageError if memory does not suffice, and for fewer than 4 samples.
    """
    clock = Clock()
    now, plan, seed = subject.now, subject.plan, subject.settings.seed
    generator = Generator().manual_seed(seed)
    x, y = subject.samples.subset(effort.points, generator)
    x, y = x.double(), y.double()
    if len(x) < 4:
        raise UsageError(f"the signal has {len(x)} samples, expected at least 4")
    on_progress(f"kernel at {len(x)} points")
    with clock.part("kernel"):
        kernel = tangent_kernel(now, x)
        spec = spectrum(kernel)
        modes = read_modes(kernel, spec, y, plan.steps)
        warnings = [*violations(kernel, spec, y)]
    residual = kernel.values.cpu() - y
    on_progress("bands")
    with clock.part("bands"):
        bands = survey_bands(now, subject.samples, plan, effort, seed, subject.past)
    has_flow = bands is not None and course is not None and course.flow is not None
    calibration = calibration_of(family_class(now), None if course is None else course.share, has_flow=has_flow)
    left = None if course is None else _left(course, bands)
    if bands is not None:
        bands = dataclasses.replace(bands, bands=_forecast(bands.bands, course, left, calibration, subject.rehearsed))
    change: Change | None = None
    if subject.start is not None:
        on_progress("drift")
        with clock.part("drift"):
            change = change_of(subject.start, now, x[:DRIFT_POINTS])
    with clock.part("wide"):
        before = None if change is None else change.before[:WIDE_POINTS, :WIDE_POINTS]
        wide = compare_wide(subject.start or now, x[:WIDE_POINTS], before)
        if not wide.why:
            some = subject.samples.subset(2 * ANSWER_POINTS, Generator().manual_seed(seed))
            answers = wide_answers(subject.start or now, now, *some)
            wide = dataclasses.replace(
                wide, **dataclasses.asdict(answers), points=min(ANSWER_POINTS, len(some[0]) // 2)
            )
    is_linear = is_linear_in_parameters(now, x[:64], generator)
    rate = 0.5 * len(spec.values) / modes.largest if modes.largest > 0 else 1.0
    runs, has_jacobian = Runs(), kernel.n_params <= MOST_JACOBIAN
    if effort.mode == "full":
        runs = run_all(subject, x, y, rate, clock, on_progress, has_jacobian=has_jacobian)
        if not has_jacobian:
            warnings.append(
                f"no training Jacobian: the field has {kernel.n_params} parameters, at most {MOST_JACOBIAN} are allowed"
            )
    curvature = None
    if effort.mode == "full" and kernel.n_params <= MOST_PARAMETERS:
        on_progress("curvature")
        with clock.part("curvature"):
            curvature = curvature_density(now, x, y, generator)
    elif effort.mode == "full":
        warnings.append(
            f"no density of the curvature: the field has {kernel.n_params} parameters, at most {MOST_PARAMETERS} are "
            "allowed"
        )
    if bands is None:
        warnings.append("the signal is not a lattice, so there are no bands and the verdict is about modes")
        verdict = judge_modes(modes, spec, residual, y, plan, rate)
        if course is not None:
            verdict = Verdict(min(1.0, course.final))
    else:
        verdict = judge_bands(bands, peak_of(signal))
    c = y.shape[1]
    grid = subject.samples.grid()
    total = max(kernel.trace, 1e-300)
    return Report(
        mode=effort.mode,
        field=now.config.type_name,
        signal=signal.name,
        state=subject.state,
        rehearsed=subject.rehearsed,
        n_params=kernel.n_params,
        n_channels=c,
        steps=plan.steps,
        lr=plan.lr,
        batch=plan.batch,
        optimizer=plan.optimizer,
        modes=modes,
        layers={name: t / total for name, t in kernel.traces.items()},
        bands=() if bands is None else bands.bands,
        centroid=math.nan if grid is None else spectral_centroid(grid.reshape(-1, c), tuple(grid.shape[:-1])),
        roll_off=None if bands is None else bands.roll_off,
        sharpness=2 * modes.largest / len(spec.values),
        stable_lr=rate,
        cka_init=math.nan if change is None else change.cka,
        drift=None if change is None else change.drift,
        wide=wide,
        is_linear=is_linear,
        convergence=runs.convergence,
        training_jacobian=runs.jacobian,
        is_followed=bands is not None and bands.is_followed,
        curvature=curvature,
        verdict=verdict,
        rehearsal=None
        if course is None or left is None
        else _rehearsal(course, left, bands, calibration, subject.fit_seconds),
        warnings=tuple(warnings),
        seconds=clock.seconds,
    )


def _left(course: Course, bands: BandSurvey | None) -> Tensor:
    """What is forecast of every step and band: by the rehearsal, the flow, and the kernel if it follows the run."""
    if bands is None:
        return course.left
    centres = tuple(b.rho for b in bands.bands)
    rehearsed = course.at(centres)
    kernel = torch.tensor([b.left_adam for b in bands.bands], dtype=rehearsed.dtype) if bands.is_followed else None
    return blend(rehearsed, kernel, course.flow_at(centres), course.share)


def _forecast(
    bands: tuple[Band, ...], course: Course | None, left: Tensor | None, calibration: Calibration | None, done: int
) -> tuple[Band, ...]:
    """With the rehearsal's forecast if there is one, and with intervals.

    A rehearsal changes what it measured; the flow starts before the run, from all of the target's energy.
    """
    if course is None or left is None:
        return with_intervals(bands, calibration)
    known = course.at(tuple(b.rho for b in bands), is_measured=True)[-1].tolist()
    if course.flow is not None:
        known = [1.0] * len(bands)
    return with_intervals(rehearsed_bands(bands, course.steps, left, done), calibration, known)


def _rehearsal(
    course: Course, left: Tensor, bands: BandSurvey | None, calibration: Calibration | None, fit_seconds: float
) -> Rehearsal:
    flow = None if bands is None else course.flow_at(tuple(b.rho for b in bands.bands))
    right, said = (0, 0) if calibration is None else (calibration.right, calibration.said)
    rows = tuple(tuple(row) for row in left.tolist())
    return Rehearsal(
        course.share, course.batches, course.steps, rows, round(course.seconds, 3), right, said, fit_seconds,
        () if flow is None else tuple(flow.tolist()),
    )  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """What was measured in actual runs: see `converge` and `training_jacobian`."""

    convergence: tuple[Convergence, ...] = ()
    jacobian: tuple[float, ...] = ()


def run_all(
    subject: Subject,
    x: Tensor,
    y: Tensor,
    rate: float,
    clock: Clock,
    on_progress: Callable[[str], None],
    *,
    has_jacobian: bool,
) -> Runs:
    """Actual runs on the points of the matrix. rate: of gradient descent."""
    on_progress("predicted against actual")
    with clock.part("convergence"):
        is_fresh = subject.state == "start"
        of = subject.start if is_fresh and subject.start is not None else subject.now
        found = converge(of, x[:RUN_POINTS], y[:RUN_POINTS], subject.plan, is_fresh=is_fresh)
    if not has_jacobian:
        return Runs(found)
    on_progress("training Jacobian")
    with clock.part("training_jacobian"):
        return Runs(found, training_jacobian(subject.now, x[:JACOBIAN_POINTS], y[:JACOBIAN_POINTS], rate))


@dataclass(frozen=True)
class Change:
    """A kernel now against the one at the start: drift, and debiased CKA. before: the one at the start."""

    before: Tensor
    drift: Drift
    cka: float


def change_of(start: Field, now: Field, x: Tensor) -> Change:
    """At points x; the kernels are means over channels."""
    before = tangent_kernel(start, x, channels="mean").matrix
    after = tangent_kernel(now, x, channels="mean").matrix
    return Change(before, drift(before, after), debiased_cka(before, after))


def read_modes(kernel: Kernel, spec: Spectrum, y: Tensor, steps: int) -> Modes:
    """The kernel's eigenbasis against the target without its mean. steps: of the run that is forecast."""
    target = y - y.mean(0)
    found = alignment(spec, target)
    n, flat = kernel.n_points, target.reshape(-1).to(kernel.matrix)
    frobenius = float(spec.values.square().sum().sqrt())
    return Modes(
        n=n,
        trace=kernel.trace,
        largest=float(spec.values[0]),
        least=spec.least,
        floor_index=spec.n_above,
        values=tuple((spec.values / n).tolist()),
        energy=tuple(found.energy.tolist()),
        ranks=ranks(spec),
        condition_trace=condition(spec),
        condition_target=condition(spec, found.coefficients.square()),
        kta=kernel_target_alignment(float(flat @ (kernel.matrix @ flat)), frobenius, flat),
        cka_target=target_alignment(kernel.matrix, target, is_centred=True),
        lga=label_gradient_alignment(kernel.matrix, target),
        energy90=modes_for(0.9, found.coefficients.square()),
        top10=float(found.energy[min(9, len(found.energy) - 1)]),
        laws=power_laws(spec, found.coefficients),
        dimension=_dimension(spec, steps),
    )


def _dimension(spec: Spectrum, steps: int) -> float:
    """At the ridge M / (2 eta t) of t steps of size eta = M / (2 lambda_1); nan for 0 steps and a kernel of zeros."""
    largest = float(spec.values[0])
    return effective_dimension(spec, largest / steps) if steps and largest > 0 else math.nan


def compare_wide(field: Field, x: Tensor, mean: Tensor | None) -> Wide:
    """The kernel at the start (its mean over channels) against that of its layers at infinite width."""
    try:
        with torch.no_grad():
            analytic = infinite_width(field, x).tangent
    except UsageError as error:
        return Wide(why=error.message)
    own = tangent_kernel(field, x, channels="mean").matrix if mean is None else mean
    return Wide(cka(own, analytic), float(own.trace() / analytic.trace().clamp_min(1e-300)))


def is_linear_in_parameters(field: Field, x: Tensor, generator: Generator) -> bool:
    """f(theta + d) + f(theta - d) = 2 f(theta) for a random d of the parameters' size, to rounding."""
    sides = []
    base = copy.deepcopy(field).double().eval()
    trained = [p for p in base.parameters() if p.requires_grad]
    size = [torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.device) for p in trained]
    with torch.no_grad():
        middle = base(x)
        for sign in (1.0, -2.0):
            for p, d in zip(trained, size, strict=True):
                p.add_(d, alpha=sign)
            sides.append(base(x))
    bent = (sides[0] + sides[1] - 2 * middle).abs().max()
    return bool(bent <= 1e-9 * (sides[0] - middle).abs().max().clamp_min(1e-300))


def judge_bands(found: BandSurvey, peak: float | None) -> Verdict:
    missing = [b.rho for b in found.bands if not b.is_learned]
    return Verdict(unlearned(found.bands), min(missing, default=math.nan), limit_db(found.bands, peak, found.size))


def judge_modes(modes: Modes, spec: Spectrum, residual: Tensor, y: Tensor, plan: TrainingPlan, rate: float) -> Verdict:
    """For signals without bands: the share of the target's energy that gradient descent on modes leaves."""
    target = y - y.mean(0)
    left = forecast_descent(spec.values, len(spec.values), rate, plan.steps).left
    rest = (left * alignment(spec, residual).coefficients.square()).sum()
    return Verdict(min(1.0, float(rest / target.square().sum().clamp_min(1e-300))))
