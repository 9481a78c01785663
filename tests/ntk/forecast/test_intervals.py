"""Bands with a rehearsal's forecast and with intervals."""

from __future__ import annotations

import math

import torch

from inr.ntk.forecast.calibration import Calibration
from inr.ntk.forecast.intervals import rehearsed_bands, with_intervals
from tests.ntk.small_reports import band


def test_the_forecast_is_the_last_time_and_half_is_counted_from_now() -> None:
    left = torch.tensor([[1.0, 1.0], [0.4, 0.9], [0.1, 0.7]])
    fast, slow = rehearsed_bands((band(0.1, 0.2, 1, 0.3), band(0.2, 0.4, 1, 0.3)), (0, 30, 100), left, 10)
    assert (round(fast.left_adam, 6), fast.half_step) == (0.1, 20)
    assert math.isclose(slow.left_adam, 0.7, rel_tol=1e-6)
    assert math.isinf(slow.half_step)


def test_a_band_that_comes_back_is_learned_only_where_it_stays_so() -> None:
    left = torch.tensor([[1.0, 1.0], [0.4, 0.4], [0.6, 0.3], [0.45, 0.65]])
    back, lost = rehearsed_bands((band(0.1, 0.2, 1, 0.3), band(0.2, 0.4, 1, 0.3)), (0, 30, 60, 100), left, 10)
    assert back.half_step == 90
    assert (lost.is_learned, lost.half_step) == (False, math.inf)


def test_intervals_are_those_of_the_calibration() -> None:
    made = Calibration(0.5, 9, 10, 5)
    bands = (band(0.1, 0.2, 1, 0.3), band(0.2, 0.4, 1, 0.9))
    for found, plain, known in zip(with_intervals(bands, made, [0.6, 0.95]), bands, (0.6, 0.95), strict=True):
        assert (found.left_low, found.left_high) == made.interval(plain.left_adam, known)
    assert math.isnan(with_intervals(bands, None)[0].left_low)
