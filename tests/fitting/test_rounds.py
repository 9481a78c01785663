"""Rounds of a run: where they begin and end, and how a target is pursued."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from inr.fitting import FitConfig, Progress, Run, resolve, resume, save_checkpoint
from inr.fitting.resolving import pursuing
from inr.fitting.rounds import Rounds
from inr.signals import Signal, load_signal

FIELD = {"type": "siren", "width": 16, "depth": 1}
SETTINGS = {"steps": 8, "batch": 256, "lr": 1e-3, "rounds": 3, "target_psnr_db": 90.0}


def picture() -> Signal:
    return load_signal("analytic:scene")


def run_of(settings: Mapping[str, object]) -> Run:
    signal = picture()
    return Run(signal, *resolve(signal, FIELD, settings))


def test_rounds_double() -> None:
    rounds = Rounds(10, 3)
    assert rounds.total == 70
    assert [rounds.number(step) for step in (0, 9, 10, 29, 30, 69)] == [0, 0, 1, 1, 2, 2]
    assert [rounds.end(step) for step in (0, 9, 10, 30)] == [10, 10, 30, 70]
    assert [rounds.fraction(step) for step in (0, 5, 10, 20, 50, 70)] == [0, 0.5, 0, 0.5, 0.5, 1]
    assert [step for step in range(71) if rounds.is_at_end(step)] == [10, 30, 70]


@pytest.mark.parametrize("steps", [0, 1, 550])
def test_one_round_is_a_run_without_rounds(steps: int) -> None:
    rounds = Rounds(steps, 1)
    assert rounds.total == steps
    assert all(rounds.fraction(step) == step / steps for step in range(steps))
    assert rounds.fraction(steps) == 1


def test_a_target_that_is_not_reached_is_pursued_for_all_rounds() -> None:
    seen: list[Progress] = []
    run = run_of(SETTINGS)
    assert run.advance(seen.append) == "target_not_reached"
    assert run.step in (24, 56)  # the last rounds may gain too little
    assert {p.steps for p in seen} <= {8, 24, 56}
    assert [p.step for p in seen if p.steps == 24] == list(range(9, 25))


def test_a_round_that_gains_nothing_is_the_last() -> None:
    run = run_of(SETTINGS | {"lr": 1e-12, "rounds": 5})
    assert run.advance() == "target_not_reached"
    assert run.step == 24


def test_a_target_within_reach_ends_the_run_at_once() -> None:
    run = run_of(SETTINGS | {"target_psnr_db": 1.0})
    assert run.advance() == "done"
    assert run.step == 1


def test_only_a_target_without_limits_has_rounds_by_itself() -> None:
    signal = picture()
    assert resolve(signal, FIELD, {"target_psnr_db": 40.0})[1].rounds == 6
    assert resolve(signal, FIELD, {"target_psnr_db": 40.0, "steps": 5})[1].rounds == 1
    assert resolve(signal, FIELD, {"target_psnr_db": 40.0, "time_s": 5.0})[1].rounds == 1
    assert resolve(signal, FIELD, {"target_psnr_db": 40.0, "rounds": 2})[1].rounds == 2
    assert resolve(signal, FIELD, {})[1].rounds == 1
    assert pursuing(FitConfig(), is_limited=False).rounds == 1


def test_a_resumed_run_makes_the_same_rounds(tmp_path: Path) -> None:
    whole = run_of(SETTINGS)
    whole.advance()
    first = run_of(SETTINGS)
    first.advance(should_stop=lambda: first.step >= 19)
    save_checkpoint(first, tmp_path / "run")
    second = resume(tmp_path / "run", picture())
    assert second.round_db == first.round_db is not None
    second.advance()
    assert second.step == whole.step
    assert all(torch.equal(a, b) for a, b in zip(whole.field.parameters(), second.field.parameters(), strict=True))
