"""The loop: stopping, divergence, exact resume; and the model file."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inr
from inr.core.errors import ConfigError, UnreadableError, UsageError
from inr.fitting import CHECKPOINT_NAME, Fit, FitConfig, Progress, Run, resolve, resume, save_checkpoint
from inr.fitting.model_file import read_header
from inr.signals import Signal, Source, View
from inr.signals.array import Array
from inr.workflows.fit import fit

SMALL_GRID = {"type": "hash_grid", "encoding": {"type": "hash_grid", "levels": 4, "log2_table": 8}, "width": 16}


def waves(n: int = 48) -> Array:
    a = np.arange(n, dtype=np.float32) / n
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])


def run_of(signal: Signal, field: Any = SMALL_GRID, **config: Any) -> Run:
    return Run(signal, *resolve(signal, field, config))


@pytest.mark.parametrize("field", [SMALL_GRID, {"type": "siren", "width": 16, "depth": 2}])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_resumed_run_equals_an_uninterrupted_one_byte_for_byte(tmp_path: Path, field: Any, ema: float | None) -> None:
    config = {"steps": 40, "batch": 700, "ema": ema, "clip": 1.0}
    whole = run_of(waves(), field, **config)
    expected = whole.result(whole.advance()).to_bytes()

    first = run_of(waves(), field, **config)
    stop_at = iter(range(100))
    assert first.advance(should_stop=lambda: next(stop_at) >= 17) == "interrupted"
    save_checkpoint(first, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT_NAME]

    second = resume(tmp_path, waves())
    assert second.step == 17
    assert second.result(second.advance()).to_bytes() == expected


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    made = [fit(waves(), SMALL_GRID, {"steps": 5, "seed": seed}).to_bytes() for seed in (3, 3, 4)]
    assert made[0] == made[1] != made[2]


def test_resuming_with_another_signal_or_no_checkpoint_is_refused(tmp_path: Path) -> None:
    run = run_of(waves(), steps=3)
    run.advance()
    save_checkpoint(run, tmp_path)
    with pytest.raises(UsageError, match="belongs to another signal"):
        resume(tmp_path, waves(49))
    louder = waves()
    louder.values[0, 0] += 0.5
    with pytest.raises(UsageError, match="belongs to another signal"):
        resume(tmp_path, louder)
    with pytest.raises(UnreadableError, match="no such file"):
        resume(tmp_path / "nowhere", waves())
    with pytest.raises(UnreadableError, match=r"format 'inr-checkpoint', expected 'inr-model'"):
        Fit.load(tmp_path / CHECKPOINT_NAME)


def test_a_diverged_run_is_an_outcome_and_keeps_the_last_good_state() -> None:
    run = run_of(waves(), {"type": "mlp", "width": 16}, steps=400, lr=1e30)
    assert run.advance() == "diverged"
    assert run.step < 400
    kept = run.result("diverged")
    assert all(torch.isfinite(p).all() for p in kept.field.parameters())
    assert np.isfinite(kept.render()[0]).all()


def test_it_stops_at_steps_time_or_target_whichever_is_first() -> None:
    assert fit(waves(), SMALL_GRID, {"steps": 7}).steps == 7
    timed = fit(waves(), SMALL_GRID, {"steps": None, "time_s": 0.3})
    assert 0.3 <= timed.seconds < 3
    reached = fit(waves(), SMALL_GRID, {"steps": 3000, "target_psnr_db": 25.0})
    assert reached.outcome == "done"
    assert reached.steps < 3000
    assert reached.metrics["psnr_db"] >= 25.0
    missed = fit(waves(), SMALL_GRID, {"steps": 5, "target_psnr_db": 80.0})
    assert missed.outcome == "target_not_reached"


def test_progress_has_the_psnr_of_the_training_loss() -> None:
    heard: list[Progress] = []
    done = fit(waves(), SMALL_GRID, {"steps": 300, "batch": 48 * 48, "schedule": "cosine"}, on_progress=heard.append)
    assert [p.step for p in heard] == list(range(1, 301))
    assert heard[-1].psnr_db == pytest.approx(done.metrics["psnr_db"], abs=0.5)


def test_the_learning_rate_follows_the_schedule_and_roles() -> None:
    run = run_of(waves(), steps=10, lr=1e-3, lr_encoding=1e-2, schedule={"type": "exponential", "end": 0.01})
    rates = []
    run.advance(on_progress=lambda p: rates.append({g["lr"] for g in run.optimizer.param_groups}))
    assert rates[0] == {1e-3, 1e-2}
    assert max(rates[5]) == pytest.approx(1e-2 * 0.1)


def test_a_loss_that_the_field_does_not_support_is_refused_before_step_0() -> None:
    with pytest.raises(UsageError, match=r"takes 1 coordinate derivative.*smooth to order 0"):
        run_of(waves(), steps=1, loss="eikonal")


def test_settings_resolve_from_family_and_user() -> None:
    config, settings_ = resolve(waves(), "hash_grid", {"lr": 0.5})
    assert settings_.lr == 0.5
    assert settings_.optimizer.to_json()["eps"] == 1e-15  # the family's recipe
    assert settings_.loss is not None
    assert settings_.loss.type_name == "mse"
    assert config.to_json()["encoding"]["finest"] == [49, 49]
    with pytest.raises(ConfigError, match=r"unknown setting 'fit.stesp'.*did you mean 'steps'"):
        resolve(waves(), "siren", {"stesp": 3})
    with pytest.raises(ConfigError, match="did you mean 'siren'"):
        resolve(waves(), "sirne")


def test_the_header_describes_the_file_without_loading_it(tmp_path: Path) -> None:
    done = fit(waves(), SMALL_GRID, {"steps": 3})
    path = tmp_path / "w.safetensors"
    done.save(path)
    document, tensors = read_header(Source.of(path))
    assert document["metrics"]["psnr_db"] == pytest.approx(done.metrics["psnr_db"])
    assert document["field"]["type"] == "hash_grid"
    assert sum(int(np.prod(t["shape"])) for t in tensors.values()) == done.field.n_params
    assert str(tmp_path) not in json.dumps(document)


def test_render_of_the_own_lattice_is_the_field_at_its_samples(tmp_path: Path) -> None:
    done = fit(waves(), SMALL_GRID, {"steps": 3})
    values, _ = done.render()
    assert values.shape == (48, 48, 1)
    x = torch.tensor([[(5 + 0.5) / 48, (9 + 0.5) / 48]])
    assert values[5, 9, 0] == pytest.approx(float(done(x)), abs=1e-6)
    assert done.render(View(scale=2))[0].shape == (96, 96, 1)
    done.save(tmp_path / "w.safetensors")
    again = inr.load(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(again.render()[0], values)


@pytest.fixture(scope="module")
def model_bytes() -> bytes:
    return fit(waves(), SMALL_GRID, {"steps": 1}).to_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_one_clean_error(model_bytes: bytes, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        broken = model_bytes[: data.draw(st.integers(0, len(model_bytes) - 1))]
    else:
        header = struct.unpack("<Q", model_bytes[:8])[0]
        at = data.draw(st.integers(0, header + 7))
        broken = model_bytes[:at] + bytes([data.draw(st.integers(0, 255))]) + model_bytes[at + 1 :]
    if broken == model_bytes:
        return
    loaded, message = None, ""
    try:
        loaded = Fit.load(Source("m.safetensors", data=broken))
    except UnreadableError as error:
        message = error.message
    assert "\n" not in message
    assert message or (loaded and loaded.field.n_params > 0)  # the changed value is valid in any file


def test_a_header_of_a_huge_field_allocates_no_memory() -> None:
    done = fit(waves(), {"type": "siren", "width": 8, "depth": 2}, {"steps": 1})
    liar = dataclasses.replace(done.field.config, width=60_000, depth=1000)  # type: ignore[call-arg]
    done.field.config = liar
    with pytest.raises(UnreadableError, match="does not hold the tensors of its field"):
        Fit.load(Source("m.safetensors", data=done.to_bytes()))


def test_public_fit_takes_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.linspace(0, 1, 64, dtype=np.float32))
    done = inr.fit(path, SMALL_GRID, {"steps": 2}, device="cpu")
    assert done.steps == 2
    assert isinstance(done.settings, FitConfig)
