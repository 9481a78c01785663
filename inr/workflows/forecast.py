"""What a run will take and give: time, quality, memory and file size, from its first half second."""

from __future__ import annotations

import dataclasses
import sys

from inr.fitting import Progress, Run
from inr.fitting.half import losses_on_samples

CALIBRATION_S = 0.5
"""Seconds of a run's own first steps after which its speed is known."""

_FEWEST_STEPS = 3
"""The first is slower than the others and does not count."""

_FEWEST_FOR_QUALITY = 100
"""Steps of a run from which it ends above its start; Adam's first steps lose some dB."""


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What is expected of a run.

    seconds: of fitting, with those so far; of the first round if the run has several. steps: that this allows.
    least_psnr_db: PSNR of a field that starts from the signal, which its training improves; None for other fields.
    memory_bytes: largest of the process so far; None where the system does not tell. file_bytes: of the model in 16 and
    in 32 bits per parameter, without its header.
    """

    seconds: float
    steps: int
    least_psnr_db: float | None
    memory_bytes: int | None
    file_bytes: tuple[int, int]


class Calibration:
    """Watches the first steps of a run, as a callback of `Run.advance`. Make it before the run begins.

    forecast: None until CALIBRATION_S have passed, and for runs without steps or that end sooner.
    """

    def __init__(self, run: Run) -> None:
        self.forecast: Forecast | None = None
        self._run = run
        self._first: Progress | None = None
        self._start_db = _start_db(run)

    def __call__(self, progress: Progress) -> None:
        if self.forecast is not None:
            return
        if self._first is None:
            self._first = progress
            return
        n_steps, seconds = progress.step - self._first.step, progress.seconds - self._first.seconds
        if seconds >= CALIBRATION_S and n_steps >= _FEWEST_STEPS:
            self.forecast = self._of(progress, seconds / n_steps)

    def is_done(self) -> bool:
        return self.forecast is not None

    def _of(self, progress: Progress, seconds_per_step: float) -> Forecast:
        settings, n_params = self._run.settings, self._run.field.n_params
        left = None if progress.steps is None else (progress.steps - progress.step) * seconds_per_step
        if settings.time_s is not None:
            within = max(0.0, settings.time_s - progress.seconds)
            left = within if left is None else min(left, within)
        assert left is not None
        steps = progress.step + round(left / seconds_per_step)
        start_db = self._start_db if steps >= _FEWEST_FOR_QUALITY else None
        return Forecast(progress.seconds + left, steps, start_db, peak_memory(), (2 * n_params, 4 * n_params))


def calibrated(run: Run) -> Forecast | None:
    """The forecast of a run that is thrown away: it takes its first steps. None as for `Calibration`."""
    calibration = Calibration(run)
    run.advance(calibration, should_stop=calibration.is_done)
    return calibration.forecast


def peak_memory() -> int | None:
    """Bytes that this process has held at most; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _start_db(run: Run) -> float | None:
    """PSNR of a fresh field that starts from the signal, on a part of it."""
    settings, signal = run.settings, run.signal
    assert settings.loss is not None
    if run.step > 0 or not settings.loss.is_mse or not run.field.config.starts_from_signal(signal.spec):
        return None
    (loss,) = losses_on_samples([run.field], settings.loss, run.pool, run.device)
    return run.loss.psnr_db_of(loss)
