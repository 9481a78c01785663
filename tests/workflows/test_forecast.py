"""What is said of a run before it has gone far: time, quality, memory, file size."""

from __future__ import annotations

import numpy as np
import pytest

from inr.fitting import Progress
from inr.signals.array import Array
from inr.workflows.fit import FitPlan
from inr.workflows.forecast import Calibration, calibrated, peak_memory


def colours() -> Array:
    generator = np.random.default_rng(0)
    grey = generator.random((40, 32, 1))
    return Array.of_array((grey + 0.1 * generator.random((40, 32, 3))).astype(np.float32), has_channels=True)


def forecast_after(plan: FitPlan, n_steps: int, seconds_per_step: float, first_s: float = 5.0) -> Calibration:
    """The calibration of a run whose steps take this long, the first one `first_s`."""
    calibration = Calibration(plan.begin())
    for step in range(1, n_steps + 1):
        seconds = first_s + (step - 1) * seconds_per_step
        calibration(Progress(step, plan.settings.steps, seconds, 0.1, None))
    return calibration


def test_the_time_is_that_of_the_steps_left_without_the_slow_first_one() -> None:
    plan = FitPlan.of(colours(), "siren", {"steps": 1000})
    found = forecast_after(plan, 6, 0.1).forecast
    assert found is not None
    assert found.seconds == pytest.approx(5.0 + 0.5 + 994 * 0.1)
    assert found.steps == 1000
    assert found.least_psnr_db is None
    assert found.file_bytes == (2 * plan.n_params, 4 * plan.n_params)


def test_a_time_limit_bounds_the_steps() -> None:
    found = forecast_after(FitPlan.of(colours(), "siren", {"steps": None, "time_s": 20.0}), 6, 0.1).forecast
    assert found is not None
    assert found.seconds == pytest.approx(20.0)
    assert found.steps == 6 + round(14.5 / 0.1)


def test_nothing_is_said_before_half_a_second_and_three_steps() -> None:
    plan = FitPlan.of(colours(), "siren", {"steps": 1000})
    assert forecast_after(plan, 5, 0.1).forecast is None
    assert forecast_after(plan, 3, 1.0).forecast is None
    assert forecast_after(plan, 4, 1.0).forecast is not None


def test_a_field_that_starts_from_the_signal_ends_above_what_is_said() -> None:
    plan = FitPlan.of(colours())
    found = forecast_after(plan, 4, 1.0).forecast
    assert found is not None
    assert found.least_psnr_db is not None
    start = FitPlan.of(colours(), settings={"steps": 0}).fit()
    assert found.least_psnr_db == pytest.approx(start.metrics["psnr_db"], abs=0.3)
    assert plan.fit().metrics["psnr_db"] > found.least_psnr_db
    short = forecast_after(FitPlan.of(colours(), settings={"steps": 20}), 4, 1.0).forecast
    assert short is not None
    assert short.least_psnr_db is None


def test_watching_a_run_does_not_change_it() -> None:
    plan = FitPlan.of(colours(), settings={"steps": 5})
    run = plan.begin()
    run.advance(Calibration(run))
    alone = plan.fit()
    assert run.result("done").to_bytes()[-1000:] == alone.to_bytes()[-1000:]


def test_a_run_that_is_thrown_away_stops_after_its_calibration() -> None:
    found = calibrated(FitPlan.of(colours(), "siren", {"steps": 10**6}).begin())
    assert found is not None
    assert found.seconds > 1
    assert calibrated(FitPlan.of(colours(), "hash_grid", {"steps": 0}).begin()) is None


def test_memory_is_that_of_this_process() -> None:
    before = peak_memory()
    held = np.ones(2**25)
    after = peak_memory()
    assert before is None or (after is not None and after > 2**25 and after >= before)
    assert held.size == 2**25
