"""Bands with the forecast of a rehearsal, and with intervals around forecasts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor

from inr.ntk.forecast.calibration import Calibration
from inr.ntk.report import LEARNED, Band


def rehearsed_bands(bands: Sequence[Band], steps: Sequence[int], left: Tensor, done: int) -> tuple[Band, ...]:
    """The bands with what a rehearsal of the whole run leaves, in place of the kernel's forecast.

    steps: [T], the last is the run's. left: forecast shares of the target's energy [T, B]. done: steps of the run that
    the bands have behind them, from which `half_step` counts: the first step from which at most half is left until the
    end; inf for bands that are not learned within the run.
    """
    found = []
    for i, band in enumerate(bands):
        when = math.inf
        for step, row in zip(reversed(steps), reversed(left.tolist()), strict=True):
            if row[i] > LEARNED:
                break
            when = step
        half = 0.0 if band.residual_energy <= LEARNED else max(when - done, 1.0)
        found.append(dataclasses.replace(band, left_adam=float(left[-1, i]), half_step=half))
    return tuple(found)


def with_intervals(
    bands: Sequence[Band], calibration: Calibration | None, known: Sequence[float] | None = None
) -> tuple[Band, ...]:
    """The bands with an interval around `left_adam`, in which LEVEL of such forecasts were; nan if not calibrated.

    known: what the forecast started from, by band; None: the energy now.
    """
    if calibration is None:
        return tuple(bands)
    start = [b.residual_energy for b in bands] if known is None else known
    found = []
    for band, before in zip(bands, start, strict=True):
        low, high = calibration.interval(band.left_adam, before)
        found.append(dataclasses.replace(band, left_low=low, left_high=high))
    return tuple(found)
