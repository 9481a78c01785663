"""Rehearsals of a whole run: all of its steps, with its optimizer and schedule, on a part of the samples of each."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fields import Field, FieldConfig
from inr.fitting import FitConfig, Run, resolve
from inr.ntk.forecast.bands import interpolated
from inr.ntk.forecast.batch_noise import extrapolated
from inr.ntk.forecast.blend import uses_flow
from inr.ntk.forecast.calibration import GRID, NETWORK, family_class
from inr.ntk.kernel_readings import KernelReadings, can_follow
from inr.ntk.rehearsal import UNLIMITED_STEPS
from inr.ntk.spectra.windows import Windows, energies, windows_of
from inr.signals import Signal
from inr.workflows.fit import FitPlan

PARTS = (0.7, 0.3)
"""Of the samples that a rehearsal may take: its two runs, the one with larger batches first."""
LOOKS = 16
"""Times at which the residual is measured, evenly spaced in the logarithm of the step."""
READINGS = 8
"""Of the looks, those after the first at which the kernel is read."""
LOOK_POINTS, LOOK_WINDOWS = 2**14, 4
LEAST_BATCH = 4
TINY = 1e-12
"""Least share of the energy in decibels."""

Seen = Callable[[Field], Tensor]
"""The share of the target's energy that a field leaves, by band [B]."""


@dataclass(frozen=True)
class Course:
    """What a rehearsal forecasts of a run.

    share: of the run's samples. batches: of its two runs, descending. steps: [T] ascending, from 0 to the run's last.
    left: forecast share of the target's energy by band [T, B]; measured: by the run with larger batches [T, B].
    centres: of the bands, cycles per sample; () for a signal without bands, of which the whole energy is one band.
    seconds: that it took. has_diverged: one of its runs did. flow: forecast share by band after the last step [B], by
    the flow along kernels that were read in the run with larger batches (`kernel_readings`); None: there is none.
    """

    share: float
    batches: tuple[int, int]
    steps: tuple[int, ...]
    left: Tensor
    measured: Tensor
    centres: tuple[float, ...]
    seconds: float
    has_diverged: bool
    flow: Tensor | None = None

    def at(self, centres: tuple[float, ...], *, is_measured: bool = False) -> Tensor:
        """left, or measured, at other bands [T, len(centres)]: interpolated in the logarithm of the frequency."""
        return moved_bands(self.measured if is_measured else self.left, self.centres, centres)

    def flow_at(self, centres: tuple[float, ...]) -> Tensor | None:
        """flow at other bands [len(centres)]."""
        return None if self.flow is None else moved_bands(self.flow[None], self.centres, centres)[0]

    @property
    def final(self) -> float:
        """The share of all energy left at the end, for a signal without bands."""
        return float(self.left[-1].sum())


def rehearse_whole(
    signal: Signal,
    config: FieldConfig,
    settings: FitConfig,
    samples: Samples,
    share: float,
    device: torch.device | None = None,
    on_progress: Callable[[str], None] | None = None,
    *,
    is_read: bool | None = None,
) -> Course:
    """Forecast a run from two rehearsals of its whole length, which together take `share` of its samples.

    samples: of the signal. share: in (0, 1). is_read: whether kernels are read on the way, for `Course.flow`; None: for
    families whose forecast uses it.
    Raises UsageError for optimizers that take all samples in every step.
    """
    check_share(settings)
    config, settings = resolve(signal, config, settings)
    begin = time.monotonic()
    found: list[ThinRun] = []
    readings: KernelReadings | None = None
    for part in PARTS:
        run = ThinRun(signal, config, settings, samples, share * part, device)
        about = f"rehearsal of all {run.steps[-1]} steps with {run.batch} samples each"
        is_wanted = uses_flow(GRID if run.is_grid else NETWORK, share) if is_read is None else is_read
        if not found and is_wanted and can_follow(settings, samples):
            readings = KernelReadings(samples, settings, look_steps(run.steps[-1], READINGS), run.full)
            about += f", and {len(readings.steps)} readings of the kernel"
        if on_progress is not None:
            on_progress(about)
        run.go(None if found else readings)
        found.append(run)
    large, small = found
    n = min(len(large.left), len(small.left))
    a, b = torch.stack(large.left[:n]), torch.stack(small.left[:n])
    left = extrapolated(a, b, (large.batch, small.batch), large.full)
    left[0] = a[0]
    return Course(
        share, (large.batch, small.batch), tuple(large.steps[:n]), left, a, large.centres,
        time.monotonic() - begin, n < len(large.steps), _flow_of(readings, large),
    )  # fmt: skip


def _flow_of(readings: KernelReadings | None, run: ThinRun) -> Tensor | None:
    """By band of the run; None if it diverged."""
    if readings is None or run.has_diverged or not bool(torch.isfinite(readings.left).all()):
        return None
    return moved_bands(readings.left[None], readings.centres, run.centres)[0]


def moved_bands(rows: Tensor, at: tuple[float, ...], to: tuple[float, ...]) -> Tensor:
    """Shares [T, B] known in some bands, in others: interpolated in the logarithm of the frequency."""
    if at == to:
        return rows
    found = torch.stack([interpolated(row, at, to) for row in rows])
    return torch.where(torch.tensor([c == 0 for c in to]), rows[:, :1], found)


def check_share(settings: FitConfig) -> None:
    """Raises UsageError for optimizers that take all samples in every step."""
    if settings.optimizer.is_closed or settings.optimizer.is_least_squares:
        raise UsageError(
            f"optimizer {settings.optimizer.type_name!r} cannot be rehearsed on a part of the samples",
            "give `rehearse` as a number of steps, or use adam or soap",
        )


class ThinRun:
    """One run on a share of the samples of each step.

    looks: between the first step and the last. left: by look [B], of the target's energy. energy: of the target by
    band. n_params: of the field. is_grid: its encoding is trained.
    """

    def __init__(
        self,
        signal: Signal,
        config: FieldConfig,
        settings: FitConfig,
        samples: Samples,
        share: float,
        device: torch.device | None,
        looks: int = LOOKS,
    ) -> None:
        self.full = min(settings.batch, samples.size)
        self.batch = max(min(LEAST_BATCH, self.full), round(share * self.full))
        steps = UNLIMITED_STEPS if settings.steps is None else settings.steps
        whole = dataclasses.replace(
            settings, time_s=None, target_psnr_db=None, track_ntk=None, steps=steps, rounds=1, batch=self.batch
        )
        self._run = FitPlan(signal, config, whole, device).begin()
        self.steps = look_steps(steps, looks)
        self.centres, self.energy, self._seen = seen_of(samples)
        self.n_params = sum(p.numel() for p in self._run.field.parameters() if p.requires_grad)
        self.is_grid = family_class(self._run.field) == GRID
        self.left: list[Tensor] = []

    def go(self, readings: KernelReadings | None = None) -> None:
        """`left` [B] after each of `steps`; fewer if the run diverges. readings: taken on the way."""
        for due in self.steps:
            while self._run.step < due:
                if not math.isfinite(self._run.take_step()):
                    return
            if readings is not None and due in readings.steps:
                readings.read(self._run)
            field = self._run.field if self._run.average is None else self._run.average
            was_training = field.training
            left = self._seen(field.eval())
            field.train(was_training)
            if not bool(torch.isfinite(left).all()):
                return
            self.left.append(left)

    @property
    def has_diverged(self) -> bool:
        """Whether `go` ended before the last step."""
        return len(self.left) < len(self.steps)

    @property
    def total_db(self) -> float:
        """What is left at the end, in dB: of all bands over the target's energy; of scattered samples `loss_db`."""
        if self.centres:
            return total_db(self.energy, self.left[-1])
        return loss_db(self._run)


def loss_db(run: Run) -> float:
    """The loss of a run's field at some of its samples, in dB of squares: of distances what training makes small.

    10 log10 of the mean square error; 20 log10 of any other loss, which is taken to be one of differences.
    """
    loss = run.settings.loss
    assert loss is not None
    generator = Generator().manual_seed(0)
    index = torch.randperm(run.pool.size, generator=generator)[:LOOK_POINTS].sort().values
    field = run.field if run.average is None else run.average
    device = next(field.parameters()).device
    with torch.enable_grad():
        value = float(loss.value(field, run.pool.batch(index).to(device), Generator().manual_seed(0)).detach())
    return (10 if loss.is_mse else 20) * math.log10(max(value, TINY))


def total_db(energy: Sequence[float], left: Tensor) -> float:
    """Of all bands [B], over the target's energy, in dB."""
    whole = sum(e * x for e, x in zip(energy, left.tolist(), strict=True))
    return 10 * math.log10(max(whole / max(sum(energy), 1e-300), TINY))


def look_steps(steps: int, count: int = LOOKS) -> list[int]:
    """0, then at most `count` steps up to the last, evenly spaced in the logarithm."""
    return sorted({0, steps, *(max(1, round(steps ** (i / count))) for i in range(1, count + 1))})


def seen_of(samples: Samples) -> tuple[tuple[float, ...], tuple[float, ...], Seen]:
    """(centres of the bands, the target's energy by band, what is left by band).

    Without a lattice: (), all energy, and the share of it that is left.
    """
    generator = Generator().manual_seed(0)
    windows = windows_of(samples, LOOK_POINTS, LOOK_WINDOWS, generator)
    if windows is not None:
        target = energies(windows.y - windows.mean, windows)
        return windows.bands.centres, tuple(target.tolist()), lambda field: _left_of(field, windows)
    x, y = samples.subset(LOOK_POINTS, generator)
    total = (y.double() - y.double().mean(0)).square().sum().clamp_min(1e-300)

    def whole(field: Field) -> Tensor:
        with torch.no_grad():
            residual = field(x.to(next(field.parameters()).device)).cpu().double() - y
        return (residual.square().sum() / total).reshape(1)

    return (), (float(total),), whole


def _left_of(field: Field, windows: Windows) -> Tensor:
    device, dtype = next((p.device, p.dtype) for p in field.parameters())
    with torch.no_grad():
        values = torch.stack([field(x.to(device, dtype)).cpu().double() for x in windows.x])
    target = energies(windows.y - windows.mean, windows)
    left = energies(values - windows.y, windows)
    return torch.where(target > 1e-12 * target.sum(), left / target.clamp_min(1e-300), 0.0)
