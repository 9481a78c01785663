"""Networks that are narrower where a time limit is short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.fitting import Run
from inr.signals.image import Image
from inr.workflows import time_budget
from inr.workflows.fit import FitPlan
from inr.workflows.forecast import Forecast
from inr.workflows.time_budget import within_time


def plan_of(field: Any, **settings: Any) -> FitPlan:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    return FitPlan.of(Image.of_pixels(pixels), field, {"batch": 64, **settings})


@pytest.fixture
def _speed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine that does a number of steps in the limit."""

    class Known:
        def __init__(self, run: Run) -> None:
            self.forecast = Forecast(1.0, request.param, None, None, (0, 0))

        def __call__(self, progress: Any) -> None: ...

        def is_done(self) -> bool:
            return True

    monkeypatch.setattr(time_budget, "Calibration", Known)


@pytest.mark.usefixtures("_speed")
@pytest.mark.parametrize(
    ("_speed", "share"), [(10_000, 1.0), (800, 1.0), (400, 0.7071), (267, 0.5774), (50, 0.5)], indirect=["_speed"]
)
def test_the_width_follows_the_steps_that_the_limit_allows(share: float) -> None:
    """H sqrt(allowed / wanted), at least H / 2, in multiples of 8; siren's recipe has 800 steps."""
    plan = plan_of("siren", time_s=1.0, steps=None)
    width = within_time(plan).field.width  # type: ignore[attr-defined]  # of siren
    assert abs(width - 256 * share) <= 4
    assert width % 8 == 0
    assert within_time(plan).settings == plan.settings


@pytest.mark.usefixtures("_speed")
@pytest.mark.parametrize("_speed", [10], indirect=True)
def test_other_plans_stay_as_they_are() -> None:
    for plan in (
        plan_of("siren", steps=100),
        plan_of("siren", steps=100, time_s=1.0),
        plan_of("hash_grid", steps=None, time_s=1.0),
        plan_of("rbf", steps=None, time_s=1.0),
    ):
        assert within_time(plan) is plan


def test_the_speed_is_measured() -> None:
    """A limit of a few steps on any machine."""
    plan = plan_of({"type": "siren", "width": 256}, time_s=0.6, steps=None, batch=1024)
    assert within_time(plan).field.width < 256  # type: ignore[attr-defined]  # of siren
