"""The stopwatch counts time once, and a fit's clock stops while it runs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from inr.core.stopwatch import Stopwatch, preparation
from inr.fitting import Run, resolve
from inr.signals.array import Array


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [100.0]
    monkeypatch.setattr("inr.core.stopwatch.time.perf_counter", lambda: times[0])
    return times


def test_overlapping_intervals_are_counted_once(now: list[float]) -> None:
    stopwatch = Stopwatch()
    with stopwatch:
        now[0] += 1
        with stopwatch:
            now[0] += 2
            assert stopwatch.seconds == 3
        now[0] += 4
    now[0] += 8
    assert stopwatch.seconds == 7


def test_a_listener_is_called_at_each_start_and_not_afterwards() -> None:
    stopwatch = Stopwatch()
    heard: list[float] = []
    with stopwatch.notifying(lambda: heard.append(stopwatch.seconds)):
        for _ in range(2):
            with stopwatch, stopwatch:
                pass
    with stopwatch:
        pass
    assert len(heard) == 2


def test_a_fits_clock_and_its_budget_stand_still_during_preparation() -> None:
    signal = Array.of_array(np.zeros((8, 8), np.float32))
    run = Run(signal, *resolve(signal, {"type": "mlp", "width": 4}, {"steps": 2, "time_s": 60.0}))
    begin = time.perf_counter()

    def wait(_: object) -> None:
        with preparation:
            time.sleep(0.2)

    run.advance(wait)
    assert run.step == 2
    assert run.seconds <= time.perf_counter() - begin - 0.4
    assert run.fraction_done() == 1
