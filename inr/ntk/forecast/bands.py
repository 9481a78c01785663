"""The forecast by band: how fast a field learns each band of frequencies, and what a run leaves of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.ntk.forecast.adaptive import TrainingPlan, forecast_adam, forecast_descent
from inr.ntk.forecast.krylov_flow import FEWEST, MOST, follow
from inr.ntk.forecast.second_moments import FEWEST as FEWEST_BATCHES
from inr.ntk.forecast.second_moments import MOST as MOST_BATCHES
from inr.ntk.forecast.second_moments import preconditioner, second_moments
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.kernel.sketch import Sketch
from inr.ntk.report import LEARNED, Band
from inr.ntk.spectra.fourier import BandKernel, roll_off
from inr.ntk.spectra.windows import Windows, energies, kappas, sketches, windows_of

LEAST_NETWORK = 10_000
"""A network with fewer parameters than this takes no less time, as the rest of the field then dominates."""


@dataclass(frozen=True)
class Effort:
    """How much is computed.

    points: in the kernel's matrix. band_points: at which bands are measured, in `windows` windows if the lattice has
    more. probes, adam_probes: random draws per window. adam_points: for the preconditioned kernel. work: points x
    parameters of the network x products with the kernel; a run that needs more is not followed (`krylov_flow`).
    """

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
"""For each setting that is tried."""


@dataclass(frozen=True)
class BandSurvey:
    """The bands of a field as it is now.

    trace: of the kernel over all points. ratio: see `forecast_adam`. is_followed: whether the forecast is from
    `krylov_flow` and not from one rate per band.
    """

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


@dataclass(frozen=True)
class _Kernels:
    """By band [B]: kappa, its standard error, and kappa of Adam's preconditioned kernel. trace: of the kernel over all
    points. weights: of the preconditioner. ratio, weighted_ratio: mean square gradient now over Adam's second moments,
    plain and with the weights."""

    kappa: Tensor
    error: Tensor
    adam: Tensor
    trace: float
    weights: dict[str, Tensor]
    ratio: float
    weighted_ratio: float


def survey_bands(
    field: Field,
    samples: Samples,
    plan: TrainingPlan,
    effort: Effort,
    seed: int,
    past: Mapping[str, Tensor] | None = None,
) -> BandSurvey | None:
    """kappa by band, the energies of target and residual, and what a run of `plan` leaves; None: not a lattice.

    past: Adam's debiased second moments by parameter name; None: it has taken no steps.
    """
    generator = Generator().manual_seed(seed)
    windows = windows_of(samples, effort.band_points, effort.windows, generator)
    if windows is None:
        return None
    # Adam's kernel costs passes through the field for every draw: measured on small windows, and applied as a ratio
    pieces = windows_of(samples, effort.adam_points, max(effort.windows, 2), generator)
    assert pieces is not None
    drawn = sketches(field, windows, max(2, effort.probes), generator)
    residual = torch.stack([d.values.double().cpu() for d in drawn]) - windows.y
    target, left = energies(windows.y - windows.mean, windows), energies(residual, windows)
    target = torch.where(target > 1e-12 * target.sum(), target, 0.0)
    share = torch.where(target > 0, left / target.clamp_min(1e-300), 0.0)
    kernels = _kernels(field, samples, plan, effort, past, windows, pieces, drawn, generator)
    size = windows.points * windows.y.shape[-1]
    products = _products(field, windows, plan, effort)
    if products:
        after, when = _followed(field, windows, plan, kernels, residual, target, products)
    else:
        k = kernels
        by_adam = forecast_adam(k.kappa, k.adam, left, k.trace, size, windows.points, plan, k.ratio)
        after, when = share * by_adam.left, by_adam.half
    bands = _bands(windows, kernels, plan, target, share, after, when)
    edge = roll_off(BandKernel(windows.bands, kernels.kappa, kernels.error))
    return BandSurvey(windows, bands, edge, kernels.trace, kernels.ratio, products > 0)


def _kernels(
    field: Field,
    samples: Samples,
    plan: TrainingPlan,
    effort: Effort,
    past: Mapping[str, Tensor] | None,
    windows: Windows,
    pieces: Windows,
    drawn: list[Sketch],
    generator: Generator,
) -> _Kernels:
    kappa, error = kappas(drawn, windows.bands)
    trace = sum(d.trace for d in drawn) * windows.scale
    moments = second_moments(field, samples, plan.batch, generator, MOST_BATCHES if past is None else FEWEST_BATCHES)
    before = moments if past is None else past
    weights = _weights(field, plan, before)
    plain = kappas(sketches(field, pieces, max(2, effort.adam_probes), generator), pieces.bands)[0]
    bent = kappas(sketches(field, pieces, max(2, effort.adam_probes), generator, weights), pieces.bands)[0]
    adam = kappa * interpolated(bent / plain.clamp_min(1e-300), pieces.bands.centres, windows.bands.centres)
    ratio = _sum(moments) / max(_sum(before), 1e-300)
    return _Kernels(kappa, error, adam, trace, weights, ratio, _weighted_ratio(moments, before, weights))


def _weights(field: Field, plan: TrainingPlan, moments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's preconditioner, with the encoding's own learning rate in it."""
    weights = preconditioner(moments, plan.eps)
    if plan.lr_encoding is not None:
        encoding = {id(p) for p in field.param_groups().get("encoding", [])}
        names = [n for n, p in field.named_parameters() if id(p) in encoding]
        weights |= {n: weights[n] * (plan.lr_encoding / plan.lr) for n in names if n in weights}
    return weights


def _products(field: Field, windows: Windows, plan: TrainingPlan, effort: Effort) -> int:
    """The number of products with the kernel to follow the run with; 0: it is too large, or there is no run."""
    if len(windows.x) > 1 or plan.steps < 1:
        return 0
    encoding = {id(p) for p in field.param_groups().get("encoding", [])}
    network = sum(p.numel() for p in field.parameters() if p.requires_grad and id(p) not in encoding)
    products = min(MOST, int(effort.work / (windows.points * max(network, LEAST_NETWORK))))
    return products if products >= FEWEST else 0


def _followed(
    field: Field,
    windows: Windows,
    plan: TrainingPlan,
    kernels: _Kernels,
    residual: Tensor,
    target: Tensor,
    products: int,
) -> tuple[Tensor, Tensor]:
    """By band [B]: the share left after the run, and the first step with at most half left (inf: none)."""
    operator = TangentOperator(field, windows.x[0], weights=kernels.weights, dtype=torch.float32)
    batch = min(plan.batch, windows.points)
    counts = windows.bands.counts
    preconditioned_trace = kernels.trace * float(
        (counts * kernels.adam).sum() / (counts * kernels.kappa).sum().clamp_min(1e-300)
    )
    noise = (1 - batch / windows.points) * preconditioned_trace / batch
    flow = follow(operator.product, residual.reshape(-1), plan, noise, kernels.weighted_ratio, products)
    after, when = torch.zeros_like(target), torch.full_like(target, torch.inf)
    last = flow.steps[flow.at_end]
    for i, step in enumerate(flow.steps):
        part = energies(flow.residual(i).reshape(windows.y.shape), windows)
        share = torch.where(target > 0, part / target.clamp_min(1e-300), 0.0)
        when = torch.where((share <= LEARNED) & when.isinf(), float(step), when)
        if step == last:
            after = share
    return after, when


def _bands(
    windows: Windows, kernels: _Kernels, plan: TrainingPlan, target: Tensor, share: Tensor, after: Tensor, when: Tensor
) -> tuple[Band, ...]:
    size = windows.points * windows.y.shape[-1]
    kappa, largest = kernels.kappa, float(kernels.kappa.max())
    rate = 0.5 * size / largest if largest > 0 else 1.0
    by_descent = forecast_descent(kappa, size, rate, plan.steps)
    counts = (windows.bands.counts.double() * windows.scale * len(windows.x)).round()
    return tuple(
        Band(
            low=low,
            high=high,
            count=int(counts[i]),
            kappa=float(kappa[i]),
            kappa_error=float(kernels.error[i]),
            kappa_adam=float(kernels.adam[i]),
            tau_steps=size / (2 * rate * float(kappa[i])) if float(kappa[i]) > 0 else math.inf,
            target_energy=float(target[i]),
            residual_energy=float(share[i]),
            left_gd=float(share[i] * by_descent.left[i]),
            left_adam=float(after[i]),
            half_step=0.0 if float(share[i]) <= LEARNED else float(when[i]),
        )
        for i, (low, high) in enumerate(windows.bands.edges)
    )


def _weighted_ratio(
    moments: Mapping[str, Tensor], before: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> float:
    now, past = (math.fsum(float((weights[n] * v[n].double()).sum()) for n in moments) for v in (moments, before))
    return now / max(past, 1e-300)


def unlearned(bands: tuple[Band, ...]) -> float:
    """Share of the target's energy, without its mean, in bands that the run does not learn."""
    total = sum(b.target_energy for b in bands)
    return sum(b.target_energy for b in bands if not b.is_learned) / total if total > 0 else 0.0


def limit_db(bands: tuple[Band, ...], peak: float | None, size: int) -> float:
    """The PSNR if only unlearned bands were in error; inf if all are learned. peak: in training values."""
    left = sum(b.target_energy * b.left_adam for b in bands if not b.is_learned)
    if peak is None:
        return math.nan
    return 10 * math.log10(peak * peak * size / left) if left > 0 else math.inf


def restated(found: BandSurvey, bands: tuple[Band, ...], plan: TrainingPlan) -> tuple[Band, ...]:
    """`bands` with the kernel and the residual of another survey of the same signal, forecast anew; targets stay."""
    at, to = tuple(b.rho for b in found.bands), tuple(b.rho for b in bands)

    def column(name: str) -> Tensor:
        return interpolated(torch.tensor([float(getattr(b, name)) for b in found.bands], dtype=torch.float64), at, to)

    kappa, adam, share = column("kappa"), column("kappa_adam"), column("residual_energy")
    target = torch.tensor([b.target_energy for b in bands], dtype=torch.float64)
    points = found.windows.points
    forecast = forecast_adam(kappa, adam, share * target, found.trace, found.size, points, plan, found.ratio)
    return tuple(
        replace(b, kappa=float(kappa[i]), kappa_adam=float(adam[i]), left_adam=float(share[i] * forecast.left[i]))
        for i, b in enumerate(bands)
    )


def _sum(moments: Mapping[str, Tensor]) -> float:
    return math.fsum(float(v.double().sum()) for v in moments.values())


def interpolated(ratio: Tensor, at: tuple[float, ...], to: tuple[float, ...]) -> Tensor:
    """Ratios known at the frequencies `at`, at the frequencies `to`: interpolated in the logarithm, constant beyond."""
    import numpy as np

    usable = [i for i in range(len(at)) if at[i] > 0 and math.isfinite(float(ratio[i])) and float(ratio[i]) > 0]
    if not usable:
        return torch.ones(len(to), dtype=torch.float64)
    x = np.log([at[i] for i in usable])
    y = np.log([float(ratio[i]) for i in usable])
    found = np.interp(np.log([max(t, 1e-12) for t in to]), x, y)
    return torch.from_numpy(np.exp(found))
