"""The tangent kernel measured during a fit: values and cost of measurements, and no change of the fit."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr import ntk
from inr.core.errors import UnreadableError, UsageError
from inr.core.samples import Samples
from inr.fitting import Fit, FitConfig, Run, resolve, resume, save_checkpoint
from inr.fitting.model_file import read, to_bytes
from inr.ntk import probe_windows
from inr.ntk import tracker as tracking
from inr.ntk.tracker import NtkTracker, is_due, observers_of
from inr.signals import Source, load_signal
from inr.signals.array import Array
from inr.signals.audio import Audio

SIREN = {"type": "siren", "width": 8, "depth": 2, "activation": {"type": "sine", "omega": 8.0}}
GRID = {"type": "hash_grid", "encoding": {"type": "hash_grid", "levels": 3, "log2_table": 8}, "width": 8}
ALWAYS = 1e9


def waves(shape: tuple[int, int] = (12, 16)) -> Array:
    a, b = (np.arange(n, dtype=np.float32) / n for n in shape)
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(19 * b)[None, :] + b)


def run_of(field: Any = SIREN, signal: Array | None = None, **settings: Any) -> Run:
    chosen = resolve(signal or waves(), field, {"steps": 12, "batch": 60, **settings})
    return Run(signal or waves(), *chosen, observers=observers_of)


def tracker_of(run: Run) -> NtkTracker:
    (tracker,) = run.observers
    assert isinstance(tracker, NtkTracker)
    return tracker


def looks_of(run: Run) -> list[dict[str, Any]]:
    run.advance()
    looks: list[dict[str, Any]] = tracker_of(run).document()["looks"]
    return looks


def test_measurements_are_due_at_the_powers_of_the_root_of_two() -> None:
    expected = sorted({0} | {math.floor(2 ** (k / 2)) for k in range(20)})
    assert [step for step in range(724 + 1) if is_due(step)] == expected


@pytest.mark.parametrize("field", [SIREN, GRID])
@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"sampler": "error_weighted"}])
def test_a_tracked_fit_has_the_same_parameters_to_the_last_bit(field: Any, settings: dict[str, Any]) -> None:
    state = torch.get_rng_state()
    plain, tracked = run_of(field, **settings), run_of(field, **settings, track_ntk=ALWAYS)
    assert len(looks_of(tracked)) > 5
    plain.advance()
    before, after = (run.result("done", with_metrics=False).field.state_dict() for run in (plain, tracked))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), state)


def test_measurements_are_at_log_spaced_steps_and_at_the_end() -> None:
    assert [look["step"] for look in looks_of(run_of(track_ntk=ALWAYS))] == [0, 1, 2, 4, 5, 8, 11, 12]


@pytest.mark.parametrize("field", [SIREN, GRID])
def test_a_measurement_equals_the_kernel_of_the_whole_signal(field: Any) -> None:
    """The signal is one window, and has fewer samples than the kernel takes: all numbers are known exactly."""
    run = run_of(field, track_ntk=ALWAYS)
    x, y = run.pool.batch(torch.arange(run.pool.size)).x, run.pool.batch(torch.arange(run.pool.size)).y

    def kernel() -> Tensor:
        return ntk.tangent_kernel(run.field, x, channels="sum").matrix

    at_start = kernel()
    first, *_, last = looks_of(run)
    at_end = kernel()
    bands = ntk.log_bands((12, 16), probe_windows.BANDS)
    assert tracker_of(run).document()["edges"] == [list(edge) for edge in bands.edges]
    residual = run.field(x).detach() - y
    assert last["band_residual"] == pytest.approx(ntk.band_residual(residual, y, bands).tolist(), rel=1e-4)
    assert last["loss"] == pytest.approx(float(residual.square().mean()), rel=1e-5)
    assert first["cka"] == pytest.approx(1.0, abs=1e-6)
    assert last["cka"] == pytest.approx(ntk.debiased_cka(at_end, at_start), abs=1e-4)
    for look, matrix in ((first, at_start), (last, at_end)):
        exact = ntk.band_kernel_of(matrix, bands).kappa
        error = exact / (tracking.PROBES / 2 * bands.counts).sqrt()
        assert ((torch.tensor(look["kappa"]) - exact).abs() < 5 * error).all()
        sharpest = float(torch.linalg.eigvalsh(matrix.double())[-1]) * 2 / len(x)
        assert look["sharpness"] == pytest.approx(sharpest, rel=1e-3)
        assert sum(look["layers"].values()) == pytest.approx(1, rel=1e-5)
        assert look["kta"] == pytest.approx(ntk.target_alignment(matrix, y - y.mean(0)), abs=1e-4)


def test_the_hessians_sharpness_is_the_largest_eigenvalue_of_the_loss() -> None:
    run = run_of(track_ntk=ALWAYS)
    *_, last = looks_of(run)
    x, y = run.pool.batch(torch.arange(run.pool.size)).x, run.pool.batch(torch.arange(run.pool.size)).y
    curvature = ntk.LossCurvature(run.field, x, y)
    rows = torch.stack([curvature.hessian(v) for v in torch.eye(curvature.n_params, dtype=torch.float64)])
    largest = float(torch.linalg.eigvalsh(rows)[-1])
    assert 0.9 * largest < last["hessian"] <= largest * (1 + 1e-4)


def test_what_does_not_exist_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation without a second derivative, in torch's words; other errors are told."""
    words = "derivative for aten::_scaled_dot_product_flash_attention_backward is not implemented"

    def refuse(*_: object) -> Tensor:
        raise RuntimeError(words)

    monkeypatch.setattr(ntk.LossCurvature, "hessian", refuse)
    first, *_ = looks_of(run_of(track_ntk=ALWAYS))
    assert first["hessian"] is None
    assert first["sharpness"] > 0
    words = "out of memory"
    run = run_of(track_ntk=ALWAYS)
    assert looks_of(run) == []
    assert tracker_of(run).document()["stopped"] == words


def test_band_residuals_show_what_is_learned() -> None:
    first, *_, last = looks_of(run_of({**GRID, "init": "xavier"}, steps=200, lr=0.02, track_ntk=ALWAYS))
    has_energy = slice(0, 6)
    assert max(last["band_residual"][has_energy]) < 0.1 < 0.5 < min(first["band_residual"][has_energy])


def test_a_large_signal_is_seen_through_windows_of_its_own_spacing() -> None:
    run = run_of(signal=waves((100, 60)), track_ntk=ALWAYS)
    found = tracker_of(run).document()
    assert (found["n"], found["edges"][-1][0]) == (48 * 48, 0.5)
    assert found["edges"][1][0] == pytest.approx(1 / 48)
    samples = Samples.counted(waves((100, 60)).spec, run.pool)
    windows = [run.pool.batch(window) for window in probe_windows.ProbeWindows.of(samples, 0).windows]
    assert len(windows) == probe_windows.WINDOWS
    for window in windows:
        x = window.x.reshape(48, 48, 2)
        steps = (x[1:, :, :] - x[:-1, :, :])[..., 0], (x[:, 1:, :] - x[:, :-1, :])[..., 1]
        np.testing.assert_allclose(steps[0], 1 / 100, rtol=1e-4)
        np.testing.assert_allclose(steps[1], 1 / 60, rtol=1e-4)


def test_sound_is_tracked(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(3000) / 5), 8000)
    signal = Audio.load(Source.of(tmp_path / "a.wav"), {})
    run = Run(signal, *resolve(signal, SIREN, {"steps": 2, "track_ntk": ALWAYS}), observers=observers_of)
    assert [look["step"] for look in looks_of(run)] == [0, 1, 2]


def test_a_resumed_run_continues_its_measurements(tmp_path: Path) -> None:
    whole = looks_of(run_of(track_ntk=ALWAYS))
    first = run_of(track_ntk=ALWAYS)
    stop_at = iter(range(100))
    first.advance(should_stop=lambda: next(stop_at) >= 6)
    save_checkpoint(first, tmp_path)
    second = resume(tmp_path, waves(), observers=observers_of)
    for resumed, expected in zip(looks_of(second), whole, strict=True):
        assert {**resumed, "seconds": 0} == {**expected, "seconds": 0}


def test_pending_measurements_are_in_the_checkpoint() -> None:
    run = run_of(track_ntk=1e-9)
    assert looks_of(run) == []
    later = NtkTracker(ALWAYS, 0)
    later.on_start(run.field, Samples.counted(waves().spec, run.pool))
    later.restore(tracker_of(run).document(), tracker_of(run).state())
    later.on_end(12, 1.0)
    found = later.document()["looks"]
    expected = looks_of(run_of(track_ntk=ALWAYS))
    assert [{**look, "seconds": 0} for look in found] == [{**look, "seconds": 0} for look in expected]


def test_a_damaged_document_is_one_clear_error(tmp_path: Path) -> None:
    run = run_of(track_ntk=ALWAYS)
    run.advance()
    save_checkpoint(run, tmp_path)
    document, tensors = read(Source.of(tmp_path / "checkpoint.safetensors"))
    document["ntk_track"] = {"looks": 3}
    (tmp_path / "checkpoint.safetensors").write_bytes(to_bytes(tensors, document))
    with pytest.raises(UnreadableError, match="invalid header"):
        resume(tmp_path, waves(), observers=observers_of)


def test_the_model_file_holds_the_looks(tmp_path: Path) -> None:
    run = run_of(track_ntk=ALWAYS)
    fit = run.result(run.advance())
    fit.save(tmp_path / "a.safetensors")
    loaded = Fit.load(tmp_path / "a.safetensors")
    assert loaded.ntk_track == fit.ntk_track
    assert loaded.ntk_track is not None
    assert loaded.settings.track_ntk == ALWAYS
    plain = run_of()
    assert plain.result(plain.advance()).ntk_track is None
    assert FitConfig().track_ntk is None


@pytest.mark.parametrize("cost", [0.01, 0.3, 2.0])
def test_measurements_stay_within_their_share_of_time(cost: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock by which every measurement and trial takes `cost` seconds, and a step one."""
    clock = itertools.count()
    monkeypatch.setattr(tracking, "working_clock", lambda: cost * next(clock))
    run = run_of(track_ntk=0.1)
    tracker = tracker_of(run)
    for step in range(200):
        tracker.on_step(step, float(step))
        assert not tracker.document()["looks"] or tracker.seconds <= 0.1 * step  # only the trial's time is unknown
    tracker.on_end(200, 200.0)
    assert tracker.seconds <= 0.1 * 200
    steps = [look["step"] for look in tracker.document()["looks"]]
    assert {0, 200} <= set(steps)
    n_due = sum(map(is_due, range(200)))
    assert len(steps) == min(n_due + 1, round(20 / cost) - 1)  # a trial is counted too


def test_few_measurements_are_spread_over_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(tracking, "working_clock", lambda: 4.0 * next(clock))
    tracker = tracker_of(run_of(track_ntk=0.1))
    for step in range(256):
        tracker.on_step(step, float(step))
    tracker.on_end(256, 256.0)
    steps = [look["step"] for look in tracker.document()["looks"]]
    assert len(steps) == 5  # 25.6 s for 6, of which one was the trial
    gaps = np.diff(np.log1p(steps))
    assert max(gaps) < 3 * math.log(257) / 4


def test_a_failed_measurement_does_not_end_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise UsageError("no memory for a kernel")

    monkeypatch.setattr(tracking, "tangent_kernel", fails)
    run = run_of(track_ntk=ALWAYS)
    assert run.advance() == "done"
    found = tracker_of(run).document()
    assert (found["looks"], found["stopped"], run.step) == ([], "no memory for a kernel", 12)


def test_a_fit_that_diverges_keeps_its_looks() -> None:
    run = run_of(lr=1e30, track_ntk=ALWAYS)
    assert run.advance() == "diverged"
    assert tracker_of(run).document()["looks"][0]["step"] == 0
    assert run.result("diverged").to_bytes()


def test_the_oldest_copies_are_dropped_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = tracker_of(run_of(track_ntk=1e-9))
    size = sum(t.numel() * t.element_size() for t in run_of().field.state_dict().values())
    monkeypatch.setattr(tracking, "KEPT_BYTES", 3 * size)
    for step in range(20):
        tracker.on_step(step, float(step))
    assert {name.split(".")[1] for name in tracker.state()} == {"0", "11", "16"}


def test_untrackable_fits_are_refused() -> None:
    torus = load_signal("analytic:torus")
    with pytest.raises(UsageError, match="on a lattice, but this signal is of kind 'shape'"):
        Run(torus, *resolve(torus, "siren", {"track_ntk": 0.1}), observers=observers_of)
    with pytest.raises(UsageError, match="at least 4 samples, but the signal has 2"):
        run_of(signal=waves((1, 2)), track_ntk=0.1)
