"""How a run is doing: its smoothed training loss, the PSNR estimated from it, and the curve of both."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

from inr.fitting.curve import Curve, is_on_curve
from inr.signals import Signal

_SMOOTHING = 0.95


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a callback hears about a running fit.

    step of steps (None: no limit), seconds since its start (less those in which kernels were compiled or loaded, or
    observers worked), a smoothed loss, and PSNR in dB estimated from it (None where the loss is not the mean squared
    error of the signal: another loss, a biased sampler, jittered coordinates).
    """

    step: int
    steps: int | None
    seconds: float
    loss: float
    psnr_db: float | None


class TrainingLoss:
    """The training loss so far: an exponential moving average over steps, and its curve.

    is_mse: the loss is on average the mean squared error of the whole signal, so that a PSNR follows from it.
    moving_average: not yet divided by its weights, which sum to less than 1 in the first steps.
    """

    def __init__(self, signal: Signal, *, is_mse: bool) -> None:
        self.moving_average = 0.0
        self.curve = Curve()
        self._signal, self._is_mse = signal, is_mse

    def add(self, step: int, value: float, *, is_jittered: bool) -> None:
        """The loss of a step; steps count from 1. is_jittered: whether the next batch has jittered coordinates."""
        self.moving_average = _SMOOTHING * self.moving_average + (1 - _SMOOTHING) * value
        if is_on_curve(step):
            self.curve = self.curve_at(step, is_jittered=is_jittered)

    def mean(self, step: int) -> float:
        """The average after `step` steps; NaN before the first."""
        return self.moving_average / (1 - _SMOOTHING**step) if step else math.nan

    def psnr_db(self, step: int, *, is_jittered: bool) -> float | None:
        """PSNR estimated from the average: exact for equal channel scales, before clipping and rounding."""
        return None if is_jittered or not self._is_mse else self.psnr_db_of(self.mean(step))

    @cached_property
    def _peak(self) -> float | None:
        return self._signal.peak  # of sounds and float pictures it is searched among all values, too slow for each step

    @cached_property
    def _mean_square_scale(self) -> float:
        scale = self._signal.frame.scale
        return sum(s * s for s in scale) / len(scale)

    def psnr_db_of(self, mse: float) -> float | None:
        """PSNR of a mean squared error in training units; None for signals without one, and for errors of 0."""
        peak = self._peak
        if peak is None or not mse > 0:
            return None
        return 10 * math.log10(peak * peak / (mse * self._mean_square_scale))

    def curve_at(self, step: int, *, is_jittered: bool) -> Curve:
        """The curve with a last point at `step`."""
        return self.curve.followed_by(step, self.mean(step), self.psnr_db(step, is_jittered=is_jittered))
