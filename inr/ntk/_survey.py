"""From a field and a signal's samples to the numbers of a report."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from inr._errors import UsageError
from inr._samples import Samples
from inr.fields import Field
from inr.ntk._alignment import (
    Drift,
    alignment,
    cka,
    debiased_cka,
    drift,
    kernel_target_alignment,
    label_gradient_alignment,
    target_alignment,
)
from inr.ntk._analytic import infinite_width
from inr.ntk._bands import spectral_centroid
from inr.ntk._flow import FEWEST, MOST, Flow, follow
from inr.ntk._forecast import Plan, adapt, descend
from inr.ntk._kernel import Kernel, tangent_kernel
from inr.ntk._moments import FEWEST as FEWEST_BATCHES
from inr.ntk._moments import MOST as MOST_BATCHES
from inr.ntk._moments import preconditioner, second_moments
from inr.ntk._operator import TangentOperator
from inr.ntk._rehearsal import converge, training_jacobian
from inr.ntk._sanity import violations
from inr.ntk._spectrum import Spectrum, condition, modes_for, ranks, spectrum
from inr.ntk._windows import Windows, energies, kappas, sketches, windows_of
from inr.ntk.report import LEARNED, Band, Convergence, Modes, Report, Verdict, Wide

ROLL_OFF_DB = 20.0
LEAST_NETWORK = 10_000
"""Parameters whose products take as long as those of what else a field does at a point."""
DRIFT_POINTS, RUN_POINTS = 1024, 2048
"""Of those of the matrix, at most: for the kernel at the start, and for runs that are compared with their forecast."""
MOST_JACOBIAN = 400
"""Parameters up to which the Jacobian of a training run is computed."""


@dataclass(frozen=True)
class Effort:
    """How much is computed. points: of the matrix; band_points: at which bands are measured, in `windows` windows where
    the lattice has more; probes and adam_probes: draws per window; adam_points: for the preconditioned kernel. work:
    points x parameters of the network x products with the kernel, up to which a run is followed (`_flow`)."""

    mode: str
    points: int
    band_points: int
    windows: int
    probes: int
    adam_points: int
    adam_probes: int
    work: float


QUICK = Effort("quick", 256, 2**19, 4, 4, 2**12, 4, 2e10)
FULL = Effort("full", 1024, 2**19, 4, 16, 2**14, 8, 4e11)
TRIAL = Effort("trial", 0, 2**14, 2, 4, 2**12, 4, 1e10)
"""For a setting that is tried."""


@dataclass(frozen=True)
class BandSurvey:
    """The bands of a field as it is now. trace: of the kernel over all points. ratio: see `adapt`. is_followed: is the
    forecast that of `_flow`, not of one rate per band?"""

    windows: Windows
    bands: tuple[Band, ...]
    roll_off: float | None
    trace: float
    ratio: float
    is_followed: bool

    @property
    def size(self) -> int:
        """M = N C of the whole lattice."""
        return self.windows.points * self.windows.y.shape[-1]


class Clock:
    """Seconds by part of the work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)


def survey_bands(
    field: Field, samples: Samples, plan: Plan, effort: Effort, seed: int, past: Mapping[str, Tensor] | None = None
) -> BandSurvey | None:
    """kappa by band, the energies of target and residual, and what a run of `plan` leaves; None: no lattice.

    past: Adam's debiased second moments by parameter name, where it has taken steps; None: it starts afresh.
    """
    generator = Generator().manual_seed(seed)
    windows = windows_of(samples, effort.band_points, effort.windows, generator)
    if windows is None:
        return None
    # Adam's kernel costs passes through the field for every draw: measured on pieces, and carried over as a ratio
    pieces = windows_of(samples, effort.adam_points, max(effort.windows, 2), generator)
    assert pieces is not None
    drawn = sketches(field, windows, max(2, effort.probes), generator)
    kappa, error = kappas(drawn, windows.bands)
    residual = torch.stack([d.values.double().cpu() for d in drawn]) - windows.y
    target, left = energies(windows.y - windows.mean, windows), energies(residual, windows)
    target = torch.where(target > 1e-12 * target.sum(), target, 0.0)
    trace = sum(d.trace for d in drawn) * windows.scale
    moments = second_moments(field, samples, plan.batch, generator, MOST_BATCHES if past is None else FEWEST_BATCHES)
    before = moments if past is None else past
    ratio = _sum(moments) / max(_sum(before), 1e-300)
    weights = preconditioner(before, plan.eps)
    if plan.lr_encoding is not None:
        encoding = {id(p) for p in field.param_groups().get("encoding", [])}
        names = [n for n, p in field.named_parameters() if id(p) in encoding]
        weights |= {n: weights[n] * (plan.lr_encoding / plan.lr) for n in names if n in weights}
    plain = kappas(sketches(field, pieces, max(2, effort.adam_probes), generator), pieces.bands)[0]
    bent = kappas(sketches(field, pieces, max(2, effort.adam_probes), generator, weights), pieces.bands)[0]
    adam = kappa * carried(bent / plain.clamp_min(1e-300), pieces.bands.centres, windows.bands.centres)
    size = windows.points * windows.y.shape[-1]
    largest = float(kappa.max())
    rate = 0.5 * size / largest if largest > 0 else 1.0
    by_descent = descend(kappa, size, rate, plan.steps)
    share = torch.where(target > 0, left / target.clamp_min(1e-300), 0.0)
    products = _products(field, windows, plan, effort)
    if products:
        operator = TangentOperator(field, windows.x[0], weights=weights, dtype=torch.float32)
        batch = min(plan.batch, windows.points)
        whole = trace * float(
            (windows.bands.counts * adam).sum() / (windows.bands.counts * kappa).sum().clamp_min(1e-300)
        )
        noise = (1 - batch / windows.points) * whole / batch
        flow = follow(operator.product, residual.reshape(-1), plan, noise, _ratio(moments, before, weights), products)
        after, when = _read(flow, windows, target)
    else:
        by_adam = adapt(kappa, adam, left, trace, size, windows.points, plan, ratio)
        after, when = share * by_adam.left, by_adam.half
    counts = (windows.bands.counts.double() * windows.scale * len(windows.x)).round()
    bands = tuple(
        Band(
            low=low,
            high=high,
            count=int(counts[i]),
            kappa=float(kappa[i]),
            kappa_error=float(error[i]),
            kappa_adam=float(adam[i]),
            tau_steps=size / (2 * rate * float(kappa[i])) if float(kappa[i]) > 0 else math.inf,
            target_energy=float(target[i]),
            residual_energy=float(share[i]),
            left_gd=float(share[i] * by_descent.left[i]),
            left_adam=float(after[i]),
            half_step=0.0 if float(share[i]) <= LEARNED else float(when[i]),
        )
        for i, (low, high) in enumerate(windows.bands.edges)
    )
    return BandSurvey(windows, bands, _roll_off(bands), trace, ratio, products > 0)


def _products(field: Field, windows: Windows, plan: Plan, effort: Effort) -> int:
    """Products with the kernel that a run may be followed with; 0: it is too large, or there is none."""
    if len(windows.x) > 1 or plan.steps < 1:
        return 0
    encoding = {id(p) for p in field.param_groups().get("encoding", [])}
    network = sum(p.numel() for p in field.parameters() if p.requires_grad and id(p) not in encoding)
    products = min(MOST, int(effort.work / (windows.points * max(network, LEAST_NETWORK))))
    return products if products >= FEWEST else 0


def _ratio(moments: Mapping[str, Tensor], before: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> float:
    now, past = (math.fsum(float((weights[n] * v[n].double()).sum()) for n in moments) for v in (moments, before))
    return now / max(past, 1e-300)


def _read(flow: Flow, windows: Windows, target: Tensor) -> tuple[Tensor, Tensor]:
    """By band [B]: the share left after the run, and the first step with at most half left (inf: none)."""
    after, when = torch.zeros_like(target), torch.full_like(target, torch.inf)
    run = flow.steps[flow.at_end]
    for i, step in enumerate(flow.steps):
        part = energies(flow.residual(i).reshape(windows.y.shape), windows)
        share = torch.where(target > 0, part / target.clamp_min(1e-300), 0.0)
        when = torch.where((share <= LEARNED) & when.isinf(), float(step), when)
        if step == run:
            after = share
    return after, when


def unlearned(bands: tuple[Band, ...]) -> float:
    """Share of the target's energy, without its mean, in bands that the run leaves unlearned."""
    total = sum(b.target_energy for b in bands)
    return sum(b.target_energy for b in bands if not b.is_learned) / total if total > 0 else 0.0


def limit_db(bands: tuple[Band, ...], peak: float | None, size: int) -> float:
    """PSNR that what is left of unlearned bands allows; peak in training values; inf where all are learned."""
    left = sum(b.target_energy * b.left_adam for b in bands if not b.is_learned)
    if peak is None:
        return math.nan
    return 10 * math.log10(peak * peak * size / left) if left > 0 else math.inf


def restated(found: BandSurvey, bands: tuple[Band, ...], plan: Plan) -> tuple[Band, ...]:
    """Bands with their target, and with the kernel and the residual's share of another survey of the same signal."""
    at, to = tuple(b.rho for b in found.bands), tuple(b.rho for b in bands)

    def column(name: str) -> Tensor:
        return carried(torch.tensor([float(getattr(b, name)) for b in found.bands], dtype=torch.float64), at, to)

    kappa, adam, share = column("kappa"), column("kappa_adam"), column("residual_energy")
    target = torch.tensor([b.target_energy for b in bands], dtype=torch.float64)
    points = found.windows.points
    forecast = adapt(kappa, adam, share * target, found.trace, found.size, points, plan, found.ratio)
    return tuple(
        replace(b, kappa=float(kappa[i]), kappa_adam=float(adam[i]), left_adam=float(share[i] * forecast.left[i]))
        for i, b in enumerate(bands)
    )


def _sum(moments: Mapping[str, Tensor]) -> float:
    return math.fsum(float(v.double().sum()) for v in moments.values())


def carried(ratio: Tensor, at: tuple[float, ...], to: tuple[float, ...]) -> Tensor:
    """Ratios at some frequencies, interpolated in the logarithm at others; the ends go on flat."""
    import numpy as np

    usable = [i for i in range(len(at)) if at[i] > 0 and math.isfinite(float(ratio[i])) and float(ratio[i]) > 0]
    if not usable:
        return torch.ones(len(to), dtype=torch.float64)
    x = np.log([at[i] for i in usable])
    y = np.log([float(ratio[i]) for i in usable])
    found = np.interp(np.log([max(t, 1e-12) for t in to]), x, y)
    return torch.from_numpy(np.exp(found))


def _roll_off(bands: tuple[Band, ...]) -> float | None:
    most = max(b.kappa for b in bands)
    low = [b.kappa <= most * 10 ** (-ROLL_OFF_DB / 10) for b in bands]
    last = max(i for i, is_low in enumerate(low) if not is_low) + 1
    return bands[last].rho if last < len(bands) else None


def survey(
    now: Field,
    samples: Samples,
    plan: Plan,
    *,
    effort: Effort = QUICK,
    start: Field | None = None,
    field: str = "",
    signal: str = "",
    state: str = "start",
    rehearsed: int = 0,
    past: Mapping[str, Tensor] | None = None,
    peak: float | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda part: None,
) -> Report:
    """Everything of a report but its trials and the sentences of its verdict.

    now: the field as it is. start: the same one untrained, for drift. past: see `survey_bands`.
    peak: that PSNR refers to, in training values.
    say: hears what is being done. Raises UsageError where memory does not suffice, and for samples without values.
    """
    clock = Clock()
    warnings: list[str] = []
    generator = Generator().manual_seed(seed)
    x, y = samples.some(effort.points, generator)
    x, y = x.double(), y.double()
    if len(x) < 4:
        raise UsageError(f"{len(x)} samples are too few for a report, expected at least 4")
    c = y.shape[1]
    say(f"kernel at {len(x)} points")
    with clock.part("kernel"):
        kernel = tangent_kernel(now, x)
        spec = spectrum(kernel)
        modes = read_modes(kernel, spec, y)
        warnings += violations(kernel, spec, y)
    residual = kernel.values.cpu() - y
    say("bands")
    with clock.part("bands"):
        bands = survey_bands(now, samples, plan, effort, seed, past)
    moved: Drift | None = None
    likeness = math.nan
    before: Kernel | None = None
    if start is not None:
        say("drift")
        with clock.part("drift"):
            before = tangent_kernel(start, x[:DRIFT_POINTS], channels="mean")
            after = tangent_kernel(now, x[:DRIFT_POINTS], channels="mean")
            moved = drift(before.matrix, after.matrix)
            likeness = debiased_cka(before.matrix, after.matrix)
    with clock.part("wide"):
        wide = compare_wide(start or now, x[:256], before.matrix[:256, :256] if before is not None else None)
    is_linear = is_linear_in_parameters(now, x[:64], generator)
    runs: tuple[Convergence, ...] = ()
    jacobian: tuple[float, ...] = ()
    size = len(x) * c
    rate = 0.5 * size / modes.largest if modes.largest > 0 else 1.0
    if effort.mode == "full":
        say("predicted against actual")
        with clock.part("convergence"):
            of = now if state == "trained" or start is None else start
            runs = converge(of, x[:RUN_POINTS], y[:RUN_POINTS], plan, is_fresh=state == "start")
        if kernel.n_params <= MOST_JACOBIAN:
            say("training Jacobian")
            with clock.part("training_jacobian"):
                jacobian = training_jacobian(now, x[:256], y[:256], rate)
        else:
            warnings.append(f"no training Jacobian: {kernel.n_params} parameters, at most {MOST_JACOBIAN} are followed")
    if bands is None:
        warnings.append("the signal is not a lattice, so there are no bands; the verdict is about modes")
    grid = samples.grid()
    total = max(kernel.trace, 1e-300)
    verdict = judge_modes(modes, spec, residual, y, plan, rate) if bands is None else judge_bands(bands, peak)
    return Report(
        mode=effort.mode,
        field=field,
        signal=signal,
        state=state,
        rehearsed=rehearsed,
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
        sharpness=2 * modes.largest / size,
        stable_lr=rate,
        cka_init=likeness,
        drift=moved,
        wide=wide,
        is_linear=is_linear,
        convergence=runs,
        training_jacobian=jacobian,
        is_followed=bands is not None and bands.is_followed,
        verdict=verdict,
        warnings=tuple(warnings),
        seconds=clock.seconds,
    )


def read_modes(kernel: Kernel, spec: Spectrum, y: Tensor) -> Modes:
    """The matrix, read against the target without its mean."""
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
    )


def compare_wide(field: Field, x: Tensor, mean: Tensor | None) -> Wide:
    """The kernel at the start, the mean over channels, against the infinite width of its layers."""
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


def judge_modes(modes: Modes, spec: Spectrum, residual: Tensor, y: Tensor, plan: Plan, rate: float) -> Verdict:
    """Gradient descent on modes, where there are no bands: the share of the target's energy that it leaves."""
    target = y - y.mean(0)
    left = descend(spec.values, len(spec.values), rate, plan.steps).left
    rest = (left * alignment(spec, residual).coefficients.square()).sum()
    return Verdict(min(1.0, float(rest / target.square().sum().clamp_min(1e-300))))
