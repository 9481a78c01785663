"""Steps captured in a CUDA graph: with a stand-in for the graph here, and with the graph where there is a device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.fitting import Run, resolve
from inr.fitting.cuda_graph import WARM_UP, Capture, CapturedStep
from inr.signals import Batch, Stencil
from inr.signals.array import Array
from tests.assertions import assert_near, assert_same_bytes

GRID = {"type": "hash_grid", "encoding": {"levels": 3, "log2_table": 8}}


def stand_in(step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Acts as a graph: nothing at the capture, and the step, into the same memory, at every replay."""
    loss = torch.zeros(())

    def replay() -> None:
        loss.copy_(step())

    return replay, loss


def run_of(device: str = "cpu", **settings: Any) -> Run:
    signal = Array.of_array(np.random.default_rng(0).random((24, 24), dtype=np.float32))
    return Run(signal, *resolve(signal, GRID, {"steps": 20, "batch": 200, **settings}), torch.device(device))


def captured(run: Run, capture: Capture = stand_in) -> Run:
    run.train_step.capture_with(capture)
    return run


def test_a_captured_run_ends_in_the_same_bytes() -> None:
    runs = [run_of(), captured(run_of())]
    for run in runs:
        assert run.advance() == "done"
    for mine, theirs in zip(runs[1].field.state_dict().values(), runs[0].field.state_dict().values(), strict=True):
        assert_same_bytes(mine, theirs)
    assert runs[1].loss.moving_average == runs[0].loss.moving_average


def test_a_replay_sees_the_new_stencil() -> None:
    points = torch.arange(8.0).view(4, 2)
    step = CapturedStep(lambda batch: batch.stencil.sums(batch.stencil.points).sum(), stand_in)  # type: ignore[union-attr]
    for number in range(WARM_UP + 3):
        stencil = Stencil(points * number, torch.ones(2, 2))
        assert float(step(Batch(points[:2], points[:2], stencil=stencil))) == 28 * number


def test_only_the_first_steps_and_other_shapes_run_as_they_are() -> None:
    requested: list[int] = []

    def step(batch: Batch) -> Tensor:
        requested.append(len(batch.x))
        return batch.y.sum()

    replays: list[int] = []

    def capture(step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        replay, loss = stand_in(step)
        return lambda: (replays.append(1), replay())[1], loss  # type: ignore[func-returns-value]

    whole = CapturedStep(step, capture)
    for i, n in enumerate([5] * WARM_UP + [5, 5, 3, 5]):
        y = torch.full((n, 1), float(i))
        assert float(whole(Batch(torch.zeros(n, 2), y))) == n * i
    assert len(replays) == 3
    assert requested.count(3) == 1


def test_after_a_failed_capture_steps_run_normally_and_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(step: Callable[[], Tensor]) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    plain, run = run_of(), captured(run_of(), broken)
    with caplog.at_level(logging.INFO, logger="inr"):
        assert run.advance() == "done"
    assert plain.advance() == "done"
    assert [r.getMessage() for r in caplog.records if "CUDA graph" in r.getMessage()] == [
        "training steps are not captured in a CUDA graph: operation not permitted when stream is capturing"
    ]
    for mine, theirs in zip(run.field.state_dict().values(), plain.field.state_dict().values(), strict=True):
        assert_same_bytes(mine, theirs)


def test_a_captured_run_that_diverges_is_left_at_the_last_good_step() -> None:
    run = captured(run_of(lr=1e25))
    assert run.advance() == "diverged"
    assert all(tensor.isfinite().all() for tensor in run.field.state_dict().values())


def test_nothing_is_captured_on_the_cpu() -> None:
    assert not run_of().train_step.is_captured


@pytest.mark.gpu
def test_a_run_on_the_device_equals_one_that_is_not_captured() -> None:
    run = run_of("cuda")
    assert run.train_step.is_captured
    assert run.advance() == "done"
    plain = run_of("cuda")
    plain.train_step.capture_with(None)
    assert plain.advance() == "done"
    for mine, theirs in zip(run.field.state_dict().values(), plain.field.state_dict().values(), strict=True):
        assert_near(mine, theirs, 1e-2)
