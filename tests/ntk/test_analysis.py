"""A report's predictions against training, and the signals and models that it refuses."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.fitting import Fit, Run, resolve
from inr.ntk import Report, document_of, ntk_report
from inr.ntk.analysis import MODES
from inr.ntk.forecast.bands import QUICK
from inr.ntk.rehearsal import samples_of
from inr.ntk.spectra.windows import energies, windows_of
from inr.signals import Source, load_signal
from inr.signals.array import Array
from inr.signals.image import Image
from inr.workflows.fit import fit
from tests.ntk.small_reports import SMALL, fine, full, picture


def rules(report: Report) -> set[str]:
    return {f.rule for f in report.verdict.findings}


def test_slow_sines_are_predicted_not_to_learn_fine_stripes() -> None:
    assert fine().verdict.unlearned > 0.8
    band = max(fine().bands, key=lambda b: b.target_energy)
    assert band.low <= math.hypot(12, 1) / 32 <= band.high
    assert not band.is_learned
    reported = {f.rule: f.text for f in fine().verdict.findings}
    assert "of the target's energy lies in bands that 54 steps will not learn" in reported["unlearned"]
    assert fine().trials[0].unlearned <= fine().trials[-1].unlearned


def test_the_forecast_of_fine_stripes_comes_true() -> None:
    field = {**SMALL, "activation": {"type": "sine", "omega": 3}}
    fitted = fit(picture(12), field, {"steps": 60})
    variance = float(np.var(picture(12).values.numpy()))
    assert fitted.metrics["mse"] > 0.8 * variance


def test_the_residual_of_every_band_is_forecast_within_two_decibels() -> None:
    """A ReLU network of coordinates, whose kernel hardly moves, on a picture of which it learns a part."""
    field = {"type": "mlp", "width": 32, "depth": 3, "encoding": "identity"}
    report = ntk_report(picture(3), field, {"steps": 150}, points=64, try_settings=False)
    assert report.is_followed
    run = Run(picture(3), *resolve(picture(3), field, {"steps": 150}))
    run.advance()
    windows = windows_of(samples_of(picture(3), run), 2**16, 1, torch.Generator())
    assert windows is not None
    with torch.no_grad():
        residual = run.field.eval()(windows.x[0].float()).double() - windows.y[0]
    left = energies(residual.unsqueeze(0), windows)
    for reported, found in zip(report.bands[1:], left[1:].tolist(), strict=True):
        if reported.target_energy > 0.05 * float(energies(windows.y - windows.mean, windows).sum()):
            assert reported.left_adam * reported.target_energy == pytest.approx(found, rel=0.6)


def test_a_run_that_is_too_much_work_has_one_rate_per_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODES, "quick", dataclasses.replace(QUICK, work=0.0))
    report = ntk_report(picture(2), SMALL, {"steps": 20}, points=16, try_settings=False, rehearse=0)
    assert not report.is_followed
    assert document_of(report)["is_followed"] is False


def test_the_effective_dimension_is_that_of_early_stopping() -> None:
    """Modes with lambda (2 eta / M) t = lambda t / lambda_1 far above 1 count once, those far below it not at all."""
    modes, steps = fine().modes, fine().steps
    shares = [v / (v + modes.values[0] / steps) for v in modes.values]
    assert modes.dimension == pytest.approx(sum(shares))
    assert 1 < modes.dimension < modes.size


def test_coarse_stripes_are_learned() -> None:
    field = {**SMALL, "activation": {"type": "sine", "omega": 20}}
    report = ntk_report(picture(2), field, {"steps": 400, "lr": 1e-3}, points=64)
    assert report.verdict.unlearned < 0.01
    fitted = fit(picture(2), field, {"steps": 400, "lr": 1e-3})
    assert fitted.metrics["mse"] < 0.01 * float(np.var(picture(2).values.numpy()))


def test_a_linear_model_is_reported_as_exact_and_its_descent_is_as_predicted() -> None:
    field = {
        "type": "rff",
        "depth": 0,
        "head": "linear",
        "encoding": {"type": "random_fourier", "n_frequencies": 64, "sigma": 3.0},
    }
    report = ntk_report(picture(2), field, {"steps": 50}, mode="full", points=64)
    assert report.is_linear
    assert "exact" in rules(report)
    assert report.cka_init == pytest.approx(1, abs=1e-9)
    assert {"rich", "lazy"}.isdisjoint(rules(report))
    descent = report.convergence[0]
    assert descent.optimizer == "gd"
    assert descent.error < 1e-6
    for octave in descent.octaves:
        assert octave.predicted == pytest.approx(octave.actual, abs=1e-6)


def test_full_has_runs_and_a_training_jacobian() -> None:
    assert [c.optimizer for c in full().convergence] == ["gd", "adam"]
    for run in full().convergence:
        assert run.steps[0] == 0
        assert run.predicted[0] == pytest.approx(run.actual[0], rel=1e-6)
        assert run.actual[-1] < run.actual[0]
    assert len(full().training_jacobian) == full().n_params
    assert list(full().training_jacobian) == sorted(full().training_jacobian, reverse=True)
    shares = list(full().layers.values())
    assert sum(shares) == pytest.approx(1, abs=1e-9)


def test_a_trained_field_is_compared_with_its_start() -> None:
    signal = picture(2)
    fitted = fit(signal, SMALL, {"steps": 30, "lr": 1e-3})
    assert isinstance(fitted, Fit)
    report = ntk_report(fitted, signal=signal, points=64)
    assert (report.state, report.rehearsed) == ("trained", 30)
    assert report.drift is not None
    assert report.drift.relative > 0.01
    same = ntk_report(signal, SMALL, {"steps": 30, "lr": 1e-3}, points=64, rehearse=0, try_settings=False)
    assert same.drift is None


def test_equal_seeds_give_equal_reports() -> None:
    def once() -> dict[str, object]:
        report = ntk_report(picture(5), SMALL, {"steps": 20}, points=32, try_settings=False)
        return {k: v for k, v in document_of(report).items() if k != "seconds"}

    assert once() == once()


def test_arrays_have_bands_too() -> None:
    file = io.BytesIO()
    np.save(file, np.sin(np.arange(12**3) / 7).reshape(12, 12, 12).astype(np.float32))
    signal = Array.load(Source("a.npy", data=file.getvalue()), {})
    report = ntk_report(signal, SMALL, {"steps": 20}, points=32)
    assert sum(b.count for b in report.bands) == 12**3


def test_the_training_of_distances_is_judged_by_modes() -> None:
    report = ntk_report(load_signal("analytic:torus"), SMALL, {"steps": 20, "batch": 256}, points=64)
    assert report.bands == ()
    assert 0 <= report.verdict.unlearned <= 1
    assert any("not a lattice" in w for w in report.warnings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "slow"}, "`mode` is 'slow'"),
        ({"points": 2}, "`points` is 2"),
        ({"points": 10**6}, "the kernel's matrix of 1000000 points"),
    ],
)
def test_impossible_requests_are_reported(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ntk_report(picture(2), SMALL, {"steps": 5}, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [0.0, 77.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_signal_is_reported_as_constant(values: float, channels: int) -> None:
    flat = Image.of_pixels(np.full((9, 8, channels), values, np.uint8))
    with pytest.raises(UsageError, match="the signal is constant"):
        ntk_report(flat, SMALL, {"steps": 5})
    with pytest.raises(UsageError, match="the signal is constant"):
        ntk_report(fit(flat, SMALL, {"steps": 1}), None, {"steps": 5}, signal=flat)
    with pytest.raises(UsageError, match="the signal is constant"):
        ntk_report(Array.of_array(np.full(50, values)), SMALL, {"steps": 5})


def test_colours_under_alpha_0_are_not_forecast() -> None:
    """Hidden noise changes nothing; if everything is hidden, the picture is constant."""
    rng = np.random.default_rng(0)
    shown = np.zeros((16, 16, 4), np.uint8)
    shown[:, :8] = [[[200, 100, 50, 255]]] * 16
    shown[:, 2:4, 0] = 20
    noisy = shown.copy()
    noisy[:, 8:, :3] = rng.integers(0, 256, (16, 8, 3))
    clean, hidden = (
        document_of(ntk_report(Image.of_pixels(pixels), SMALL, {"steps": 5}, try_settings=False))
        for pixels in (shown, noisy)
    )
    assert clean["bands"] == hidden["bands"]
    noisy[..., 3] = 0
    with pytest.raises(UsageError, match="the signal is constant") as caught:
        ntk_report(Image.of_pixels(noisy), SMALL, {"steps": 5})
    assert caught.value.hint == "colours under alpha 0 do not count"


def test_a_model_of_another_signal_is_refused() -> None:
    fitted = fit(picture(2), SMALL, {"steps": 2})
    with pytest.raises(UsageError, match="the signal has"):
        ntk_report(fitted, signal=picture(2, side=16))


def test_a_closed_form_has_no_run() -> None:
    report = ntk_report(picture(2, side=16), {"type": "chebyshev"}, points=32)
    assert (report.steps, report.rehearsed, report.trials) == (0, 0, ())
    assert any("the closed form does not learn" in f.text for f in report.verdict.findings)


def test_a_model_file_and_its_signal_are_read(tmp_path: Path) -> None:
    signal = picture(2, side=16)
    fitted = fit(signal, SMALL, {"steps": 2})
    fitted.save(tmp_path / "a.safetensors")
    of_file = ntk_report(tmp_path / "a.safetensors", signal=signal, points=16)
    of_fit = ntk_report(fitted, signal=signal, points=16)
    assert of_file.state == "trained"
    assert {**document_of(of_file), "seconds": 0} == {**document_of(of_fit), "seconds": 0}


def test_models_and_signals_take_different_parameters() -> None:
    fitted = fit(picture(2), SMALL, {"steps": 1})
    with pytest.raises(UsageError, match="a model needs `signal`"):
        ntk_report(fitted)
    with pytest.raises(UsageError, match="`field` cannot be used with a model"):
        ntk_report(fitted, "siren", signal=picture(2))
    with pytest.raises(UsageError, match="`signal` is only for a model"):
        ntk_report(picture(2), "siren", signal=picture(2))


def test_parts_of_the_work_are_reported() -> None:
    parts: list[str] = []
    ntk_report(picture(2, side=16), SMALL, {"steps": 20}, points=16, try_settings=False, on_progress=parts.append)
    assert parts == [parts[0], "rehearsal of 2 steps", "kernel at 16 points", "bands", "drift"]
    assert parts[0].startswith("a matrix of 16 rows")
