"""The tangent kernel followed through a fit: what looks say, what they cost, and that the fit does not notice."""

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
from inr._errors import UnreadableError, UsageError
from inr.fitting import Fit, FitConfig, Run, _sight, resolve, tracking
from inr.fitting._file import read, to_bytes
from inr.fitting.tracking import NtkTracker, is_due
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
    return Run(signal or waves(), *resolve(signal or waves(), field, {"steps": 12, "batch": 60, **settings}))


def looks_of(run: Run) -> list[dict[str, Any]]:
    run.advance()
    assert run.tracker is not None
    looks: list[dict[str, Any]] = run.tracker.document()["looks"]
    return looks


def test_looks_are_due_at_the_powers_of_the_root_of_two() -> None:
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


def test_looks_are_at_log_spaced_steps_and_at_the_end() -> None:
    assert [look["step"] for look in looks_of(run_of(track_ntk=ALWAYS))] == [0, 1, 2, 4, 5, 8, 11, 12]


@pytest.mark.parametrize("field", [SIREN, GRID])
def test_a_look_says_what_the_kernel_of_the_whole_signal_is(field: Any) -> None:
    """The signal is one window, and has fewer samples than the kernel takes: all numbers are known exactly."""
    run = run_of(field, track_ntk=ALWAYS)
    x, y = run.pool.batch(torch.arange(run.pool.size)).x, run.pool.batch(torch.arange(run.pool.size)).y

    def kernel() -> Tensor:
        return ntk.tangent_kernel(run.field, x, channels="sum").matrix

    at_start = kernel()
    first, *_, last = looks_of(run)
    at_end = kernel()
    bands = ntk.log_bands((12, 16), _sight.BANDS)
    assert run.tracker is not None
    assert run.tracker.document()["edges"] == [list(edge) for edge in bands.edges]
    residual = run.field(x).detach() - y
    assert last["band_residual"] == pytest.approx(ntk.band_residual(residual, y, bands).tolist(), rel=1e-4)
    assert last["loss"] == pytest.approx(float(residual.square().mean()), rel=1e-5)
    assert first["cka"] == pytest.approx(1.0, abs=1e-6)
    assert last["cka"] == pytest.approx(ntk.debiased_cka(at_end, at_start), abs=1e-4)
    for look, matrix in ((first, at_start), (last, at_end)):
        exact = ntk.band_kernel_of(matrix, bands).kappa
        error = exact / (tracking.PROBES / 2 * bands.counts).sqrt()
        assert ((torch.tensor(look["kappa"]) - exact).abs() < 5 * error).all()


def test_band_residuals_tell_what_is_learned() -> None:
    first, *_, last = looks_of(run_of(GRID, steps=200, lr=0.02, track_ntk=ALWAYS))
    has_energy = slice(0, 6)
    assert max(last["band_residual"][has_energy]) < 0.1 < 0.5 < min(first["band_residual"][has_energy])


def test_a_large_signal_is_seen_through_windows_of_its_own_spacing() -> None:
    run = run_of(signal=waves((100, 60)), track_ntk=ALWAYS)
    assert run.tracker is not None
    found = run.tracker.document()
    assert (found["n"], found["edges"][-1][0]) == (48 * 48, 0.5)
    assert found["edges"][1][0] == pytest.approx(1 / 48)
    windows = [run.pool.batch(window) for window in run.tracker._sight.windows]
    assert len(windows) == _sight.WINDOWS
    for window in windows:
        x = window.x.reshape(48, 48, 2)
        steps = (x[1:, :, :] - x[:-1, :, :])[..., 0], (x[:, 1:, :] - x[:, :-1, :])[..., 1]
        np.testing.assert_allclose(steps[0], 1 / 100, rtol=1e-4)
        np.testing.assert_allclose(steps[1], 1 / 60, rtol=1e-4)


def test_sound_is_tracked(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(3000) / 5), 8000)
    signal = Audio.load(Source.of(tmp_path / "a.wav"), {})
    run = Run(signal, *resolve(signal, SIREN, {"steps": 2, "track_ntk": ALWAYS}))
    assert [look["step"] for look in looks_of(run)] == [0, 1, 2]


def test_a_resumed_run_goes_on_with_its_looks(tmp_path: Path) -> None:
    whole = looks_of(run_of(track_ntk=ALWAYS))
    first = run_of(track_ntk=ALWAYS)
    stop_at = iter(range(100))
    first.advance(should_stop=lambda: next(stop_at) >= 6)
    first.save_checkpoint(tmp_path)
    second = Run.resume(tmp_path, waves())
    for resumed, expected in zip(looks_of(second), whole, strict=True):
        assert {**resumed, "seconds": 0} == {**expected, "seconds": 0}


def test_what_was_not_looked_at_yet_is_in_the_checkpoint() -> None:
    run = run_of(track_ntk=1e-9)
    assert looks_of(run) == []
    assert run.tracker is not None
    later = NtkTracker(run.field, run.tracker._samples, ALWAYS, 0)
    later.restore(run.tracker.document(), run.tracker.state())
    later.finish(12, 1.0)
    found = later.document()["looks"]
    expected = looks_of(run_of(track_ntk=ALWAYS))
    assert [{**look, "seconds": 0} for look in found] == [{**look, "seconds": 0} for look in expected]


def test_a_damaged_document_is_one_clear_error(tmp_path: Path) -> None:
    run = run_of(track_ntk=ALWAYS)
    run.advance()
    run.save_checkpoint(tmp_path)
    document, tensors = read(Source.of(tmp_path / "checkpoint.safetensors"))
    document["ntk_track"] = {"looks": 3}
    (tmp_path / "checkpoint.safetensors").write_bytes(to_bytes(tensors, document))
    with pytest.raises(UnreadableError, match="settings that are not understood"):
        Run.resume(tmp_path, waves())


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
def test_looks_stay_within_their_share(cost: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock on which every look and trial takes `cost` seconds, and a step one."""
    clock = itertools.count()
    monkeypatch.setattr(tracking, "working_clock", lambda: cost * next(clock))
    run = run_of(track_ntk=0.1)
    tracker = run.tracker
    assert tracker is not None
    for step in range(200):
        tracker.see(step, float(step))
        assert not tracker.document()["looks"] or tracker.seconds <= 0.1 * step  # only the trial's time is unknown
    tracker.finish(200, 200.0)
    assert tracker.seconds <= 0.1 * 200
    steps = [look["step"] for look in tracker.document()["looks"]]
    assert {0, 200} <= set(steps)
    n_due = sum(map(is_due, range(200)))
    assert len(steps) == min(n_due + 1, round(20 / cost) - 1)  # a trial is counted too


def test_looks_that_are_few_are_spread_over_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(tracking, "working_clock", lambda: 4.0 * next(clock))
    tracker = run_of(track_ntk=0.1).tracker
    assert tracker is not None
    for step in range(256):
        tracker.see(step, float(step))
    tracker.finish(256, 256.0)
    steps = [look["step"] for look in tracker.document()["looks"]]
    assert len(steps) == 5  # 25.6 s for 6, of which one was the trial
    gaps = np.diff(np.log1p(steps))
    assert max(gaps) < 3 * math.log(257) / 4


def test_the_fits_clock_stands_still_in_a_look() -> None:
    run = run_of(track_ntk=ALWAYS)
    assert run.tracker is not None
    seconds = run._clock()
    before = seconds()
    run.tracker.seconds += 50
    assert seconds() < before - 40


def test_a_look_that_fails_is_not_the_end_of_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise UsageError("no memory for a kernel")

    monkeypatch.setattr(tracking, "tangent_kernel", fails)
    run = run_of(track_ntk=ALWAYS)
    assert run.advance() == "done"
    assert run.tracker is not None
    found = run.tracker.document()
    assert (found["looks"], found["stopped"], run.step) == ([], "no memory for a kernel", 12)


def test_a_fit_that_diverges_keeps_its_looks() -> None:
    run = run_of(lr=1e30, track_ntk=ALWAYS)
    assert run.advance() == "diverged"
    assert run.tracker is not None
    assert run.tracker.document()["looks"][0]["step"] == 0
    assert run.result("diverged").to_bytes()


def test_the_oldest_copies_give_way_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = run_of(track_ntk=1e-9).tracker
    assert tracker is not None
    size = sum(t.numel() * t.element_size() for t in run_of().field.state_dict().values())
    monkeypatch.setattr(tracking, "KEPT_BYTES", 3 * size)
    for step in range(20):
        tracker.see(step, float(step))
    assert {name.split(".")[1] for name in tracker.state()} == {"0", "11", "16"}


def test_what_can_not_be_tracked_is_refused() -> None:
    torus = load_signal("analytic:torus")
    with pytest.raises(UsageError, match="on a lattice, but this signal is of kind 'shape'"):
        Run(torus, *resolve(torus, "siren", {"track_ntk": 0.1}))
    with pytest.raises(UsageError, match="4 samples at least, the signal has 2"):
        run_of(signal=waves((1, 2)), track_ntk=0.1)
