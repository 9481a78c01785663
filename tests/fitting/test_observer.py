"""The calls that observers get from a run, and the state of observers that it keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.core.stopwatch import working_clock
from inr.fields import Field
from inr.fitting import FitConfig, Observer, Run, resolve, resume, save_checkpoint
from inr.signals.array import Array

SIREN = {"type": "siren", "width": 8, "depth": 1}
SLOW_S = 0.05


class Counter(Observer):
    """Counts steps, and takes 50 ms for each."""

    key, prefix = "ntk_track", "counter"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.count = torch.zeros((), dtype=torch.int64)

    def on_start(self, field: Field, samples: Samples) -> None:
        self.calls.append(f"start of {samples.size} samples")

    def on_step(self, step: int, seconds: float) -> None:
        before = working_clock()
        time.sleep(SLOW_S)
        self.calls.append(f"step {step}")
        self.count += 1
        self.seconds += working_clock() - before

    def on_end(self, step: int, seconds: float) -> None:
        self.calls.append(f"end at {step}")

    def document(self) -> Mapping[str, Any]:
        return {"looks": [{"step": int(self.count)}]}

    def state(self) -> Mapping[str, Tensor]:
        return {"count": self.count}

    def restore(self, document: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        assert document["looks"][0]["step"] == int(state["count"])
        self.count = state["count"].clone()


def counters(settings: FitConfig) -> list[Observer]:
    return [Counter()]


def signal() -> Array:
    return Array.of_array(np.sin(np.arange(30, dtype=np.float32)).reshape(5, 6))


def run_of(**settings: Any) -> Run:
    return Run(signal(), *resolve(signal(), SIREN, {"steps": 3, **settings}), observers=counters)


def counter_of(run: Run) -> Counter:
    (found,) = run.observers
    assert isinstance(found, Counter)
    return found


def test_an_observer_is_called_before_the_first_step_after_each_and_at_the_end() -> None:
    run = run_of()
    assert run.advance() == "done"
    assert counter_of(run).calls == ["start of 30 samples", "step 0", "step 1", "step 2", "step 3", "end at 3"]


def test_its_time_is_not_the_run_s() -> None:
    run = run_of()
    before = working_clock()
    run.advance()
    taken = working_clock() - before
    assert counter_of(run).seconds >= 4 * SLOW_S
    assert run.result("done").seconds <= taken - counter_of(run).seconds


def test_its_document_is_in_the_result_and_its_state_in_the_checkpoint(tmp_path: Path) -> None:
    run = run_of()
    assert run.advance(should_stop=lambda: run.step >= 2) == "interrupted"
    assert "end at 2" not in counter_of(run).calls
    assert run.result("interrupted").ntk_track == {"looks": [{"step": 3}]}
    save_checkpoint(run, tmp_path)
    again = resume(tmp_path, signal(), observers=counters)
    assert int(counter_of(again).count) == 3
    again.advance()
    assert counter_of(again).calls == ["start of 30 samples", "step 2", "step 3", "end at 3"]


def test_settings_that_need_an_observer_are_refused_without_one() -> None:
    with pytest.raises(UsageError, match="track_ntk is set, but the run has no observers"):
        Run(signal(), *resolve(signal(), SIREN, {"track_ntk": 0.1}))
