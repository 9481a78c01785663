"""Exact resume with every sampler, optimizer, jitter and transform; and the progress with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.fitting import Progress, Run, resolve, resume, save_checkpoint
from inr.signals.array import Array
from inr.workflows.fit import fit

FIELD = {"type": "siren", "width": 8, "depth": 2}

PARTS: list[dict[str, Any]] = [
    {"sampler": {"type": "grid"}},
    {"sampler": {"type": "error_weighted", "interval": 5}},
    {"sampler": {"type": "int"}},
    {"sampler": {"type": "int", "mode": "incremental"}},
    {"sampler": {"type": "evos", "interval_start": 9, "interval_end": 5, "growth": "linear"}},
    {"sampler": {"type": "soft_mining", "warmup": 20}},
    {"sampler": {"type": "expansive"}},
    {"sampler": {"type": "patches", "side": 4}},
    {"optimizer": {"type": "muon"}},
    {"optimizer": {"type": "soap", "every": 3}},
    {"optimizer": {"type": "lbfgs", "iterations": 3, "history": 4}, "batch": 144},
    {"optimizer": {"type": "gauss_newton"}},
    {"jitter": {"type": "stochastic_preconditioning", "start": 0.2, "end": 0.9}},
    {"residual_transform": {"type": "iga", "k": 3, "groups": 8, "every": 4}},
    {"residual_transform": {"type": "iga", "k": 3}, "sampler": {"type": "patches", "side": 4}},
]


def waves(n: int = 12) -> Array:
    a = np.arange(n, dtype=np.float32) / n
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])


def stopped_and_whole(parts: dict[str, Any], folder: Path, field: dict[str, Any]) -> tuple[bytes, bytes]:
    """The model file of a run that is stopped after 10 of 20 steps and resumed, and of one that is not."""
    settings = {"steps": 20, "batch": 60, **parts}
    whole = Run(waves(), *resolve(waves(), field, settings))
    expected = whole.result(whole.advance()).to_bytes()
    first = Run(waves(), *resolve(waves(), field, settings))
    stop_at = iter(range(100))
    first.advance(should_stop=lambda: next(stop_at) >= 10)
    save_checkpoint(first, folder)
    second = resume(folder, waves())
    assert second.step == 10
    return second.result(second.advance()).to_bytes(), expected


@pytest.mark.parametrize("parts", PARTS, ids=lambda p: json.dumps(p, sort_keys=True))
def test_a_resumed_run_equals_an_uninterrupted_one(parts: dict[str, Any], tmp_path: Path) -> None:
    found, expected = stopped_and_whole(parts, tmp_path, FIELD)
    assert found == expected


@pytest.mark.parametrize("setting", ["skip_zero_grad", "lazy"])
def test_a_resumed_run_with_skipped_entries_equals_an_uninterrupted_one(setting: str, tmp_path: Path) -> None:
    encoding = {"type": "hash_grid", "levels": 2, "log2_table": 6, "finest": [12]}
    field = {"type": "hash_grid", "encoding": encoding, "width": 8}
    parts = {"optimizer": {"type": "adam", setting: True}, "batch": 10}
    found, expected = stopped_and_whole(parts, tmp_path, field)
    assert found == expected


def test_progress_has_no_psnr_for_losses_that_are_not_those_of_the_signal() -> None:
    heard: dict[str, list[Progress]] = {}
    cases: dict[str, dict[str, Any]] = {
        "shuffled": {},
        "error_weighted": {"sampler": "error_weighted"},
        "evos": {"sampler": "evos"},
        "jitter": {"jitter": {"type": "stochastic_preconditioning", "start": 0.2, "end": 0.5}},
    }
    for name, settings in cases.items():
        heard[name] = []
        fit(waves(), FIELD, {"steps": 10, "batch": 60, **settings}, on_progress=heard[name].append)
    is_told = {name: [p.psnr_db is not None for p in reported] for name, reported in heard.items()}
    assert is_told["shuffled"] == is_told["error_weighted"] == [True] * 10
    assert is_told["evos"] == [False] * 10
    assert is_told["jitter"] == [False] * 4 + [True] * 6


def test_a_target_is_checked_where_the_loss_does_not_show_it() -> None:
    done = fit(waves(), FIELD, {"steps": 2000, "sampler": "int", "target_psnr_db": 12.0, "lr": 1e-3})
    assert done.outcome == "done"
    assert done.steps < 2000
    assert done.steps % 50 == 0
    assert done.metrics["psnr_db"] >= 12.0


def test_jitter_leaves_nothing_behind_after_its_end() -> None:
    """If it ends at the first step, the run is the plain one, byte for byte except for its settings."""
    off = fit(waves(), FIELD, {"steps": 5, "batch": 60})
    over = fit(
        waves(),
        FIELD,
        {"steps": 5, "batch": 60, "jitter": {"type": "stochastic_preconditioning", "start": 0, "end": 0}},
    )
    for a, b in zip(off.field.parameters(), over.field.parameters(), strict=True):
        assert bool((a == b).all())
