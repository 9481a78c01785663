"""The report: what it holds, what it says, and when."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
import torch

from inr._domain import Spec
from inr._errors import UsageError
from inr._samples import Samples
from inr.fitting import Fit, Run, fit, resolve
from inr.ntk import Ranks
from inr.ntk._forecast import Plan, adapt, descend
from inr.ntk._survey import QUICK, _roll_off, carried, limit_db, unlearned
from inr.ntk._windows import _window, energies, windows_of
from inr.ntk.report import VERSION, Band, Modes, Report, Trial, Verdict
from inr.ntk.verdict import BASE, RULES, judge, percent, rounded
from inr.report import draw_ntk, draw_ntks, ntk_report
from inr.report.ntk import MODES, samples_of
from inr.signals import Source, load_signal
from inr.signals.array import Array
from inr.signals.image import Image

KEYS = {
    "inr_ntk", "mode", "field", "signal", "state", "rehearsed", "is_linear", "is_followed", "n", "p", "o",
    "loss_convention", "dtype", "chunk", "steps", "lr", "batch", "optimizer", "trace", "lambda_max",
    "lambda_min_over_max", "noise_floor_index", "spectrum", "eff_rank", "condition", "kta", "cka_target", "lga",
    "energy", "energy90_index", "top10_energy", "cka_init", "drift", "wide", "bands", "centroid", "roll_off",
    "sharpness", "two_over_lr", "stable_lr", "per_layer_trace", "convergence", "training_jacobian", "trials",
    "verdict", "warnings", "seconds",
}  # fmt: skip
BAND_KEYS = {
    "rho", "low", "high", "count", "kappa", "kappa_error", "kappa_adam", "tau_steps", "target_energy",
    "residual_energy", "left_gd", "left_adam", "half_step", "is_learned",
}  # fmt: skip
SMALL = {"type": "siren", "width": 32, "depth": 3}


def picture(cycles: float, side: int = 32) -> Image:
    """Stripes of so many cycles across it, 8 bits."""
    x = (np.arange(side) + 0.5) / side
    rows = 0.5 + 0.4 * np.sin(2 * math.pi * cycles * x)[None, :] * np.cos(2 * math.pi * x)[:, None]
    signal = Image.of_pixels((255 * rows[..., None]).astype(np.uint8))
    signal.name = "stripes"
    return signal


@pytest.fixture(scope="module")
def fine() -> Report:
    """Fine stripes, and sines that are far too slow for them."""
    field = {**SMALL, "activation": {"type": "sine", "omega": 3}}
    return ntk_report(picture(12), field, {"steps": 60}, points=64)


@pytest.fixture(scope="module")
def full() -> Report:
    return ntk_report(picture(2), {**SMALL, "width": 8, "depth": 2}, {"steps": 40}, mode="full", points=64)


def rules(report: Report) -> set[str]:
    return {f.rule for f in report.verdict.findings}


def test_the_document_is_json_of_known_keys(fine: Report, full: Report) -> None:
    for report in (fine, full):
        document = report.document()
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        assert set(document) == KEYS
        assert document["inr_ntk"] == VERSION == 1
        assert all(set(band) == BAND_KEYS for band in document["bands"])
        assert set(document["verdict"]) == {
            "unlearned", "from_rho", "psnr_limit_db", "is_reliable", "sentences"
        }  # fmt: skip
        assert set(document["verdict"]["sentences"][0]) == {"rule", "text", "because", "source"}
        assert set(document["eff_rank"]) == {"stable", "participation", "entropy", "numerical"}


def test_slow_sines_are_told_that_they_will_not_learn_fine_stripes(fine: Report) -> None:
    assert fine.verdict.unlearned > 0.8
    band = max(fine.bands, key=lambda b: b.target_energy)
    assert band.low <= math.hypot(12, 1) / 32 <= band.high
    assert not band.is_learned
    told = {f.rule: f.text for f in fine.verdict.findings}
    assert "of the target's energy lies in bands that 54 steps will not learn" in told["unlearned"]
    assert fine.trials[0].unlearned <= fine.trials[-1].unlearned


def test_the_forecast_of_fine_stripes_comes_true(fine: Report) -> None:
    field = {**SMALL, "activation": {"type": "sine", "omega": 3}}
    fitted = fit(picture(12), field, {"steps": 60})
    variance = float(np.var(picture(12).values.numpy()))
    assert fitted.metrics["mse"] > 0.8 * variance


def test_what_is_left_of_every_band_is_forecast_within_two_decibels() -> None:
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
    for told, found in zip(report.bands[1:], left[1:].tolist(), strict=True):
        if told.target_energy > 0.05 * float(energies(windows.y - windows.mean, windows).sum()):
            assert told.left_adam * told.target_energy == pytest.approx(found, rel=0.6)


def test_a_run_that_is_too_much_work_has_one_rate_per_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODES, "quick", dataclasses.replace(QUICK, work=0.0))
    report = ntk_report(picture(2), SMALL, {"steps": 20}, points=16, try_settings=False, rehearse=0)
    assert not report.is_followed
    assert report.document()["is_followed"] is False


def test_coarse_stripes_are_learned() -> None:
    field = {**SMALL, "activation": {"type": "sine", "omega": 20}}
    report = ntk_report(picture(2), field, {"steps": 400, "lr": 1e-3}, points=64)
    assert report.verdict.unlearned < 0.01
    fitted = fit(picture(2), field, {"steps": 400, "lr": 1e-3})
    assert fitted.metrics["mse"] < 0.01 * float(np.var(picture(2).values.numpy()))


def test_a_linear_model_is_told_exact_and_its_descent_is_as_predicted() -> None:
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


def test_full_has_runs_and_a_training_jacobian(full: Report) -> None:
    assert [c.optimizer for c in full.convergence] == ["gd", "adam"]
    for run in full.convergence:
        assert run.steps[0] == 0
        assert run.predicted[0] == pytest.approx(run.actual[0], rel=1e-6)
        assert run.actual[-1] < run.actual[0]
    assert len(full.training_jacobian) == full.n_params
    assert list(full.training_jacobian) == sorted(full.training_jacobian, reverse=True)
    shares = list(full.layers.values())
    assert sum(shares) == pytest.approx(1, abs=1e-9)


def test_a_trained_field_is_compared_with_its_start() -> None:
    signal = picture(2)
    fitted = fit(signal, SMALL, {"steps": 30, "lr": 1e-3})
    assert isinstance(fitted, Fit)
    report = ntk_report(signal, fitted, points=64)
    assert (report.state, report.rehearsed) == ("trained", 30)
    assert report.drift is not None
    assert report.drift.relative > 0.01
    same = ntk_report(signal, SMALL, {"steps": 30, "lr": 1e-3}, points=64, rehearse=0, try_settings=False)
    assert same.drift is None


def test_equal_seeds_give_equal_reports() -> None:
    def once() -> dict[str, object]:
        report = ntk_report(picture(5), SMALL, {"steps": 20}, points=32, try_settings=False)
        return {k: v for k, v in report.document().items() if k != "seconds"}

    assert once() == once()


def test_arrays_have_bands_too() -> None:
    file = io.BytesIO()
    np.save(file, np.sin(np.arange(12**3) / 7).reshape(12, 12, 12).astype(np.float32))
    signal = Array.load(Source("a.npy", data=file.getvalue()), {})
    report = ntk_report(signal, SMALL, {"steps": 20}, points=32)
    assert sum(b.count for b in report.bands) == 12**3


def test_distances_are_judged_by_modes() -> None:
    report = ntk_report(load_signal("analytic:torus"), SMALL, {"steps": 20, "batch": 256}, points=64)
    assert report.bands == ()
    assert 0 <= report.verdict.unlearned <= 1
    assert any("not a lattice" in w for w in report.warnings)
    assert draw_ntk(report).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "slow"}, "mode is 'slow'"),
        ({"points": 2}, "points is 2"),
        ({"points": 10**6}, "the kernel's matrix of 1000000 points"),
    ],
)
def test_what_can_not_be_is_said(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ntk_report(picture(2), SMALL, {"steps": 5}, **arguments)  # type: ignore[arg-type]


def test_a_model_of_another_signal_is_refused() -> None:
    fitted = fit(picture(2), SMALL, {"steps": 2})
    with pytest.raises(UsageError, match="the signal has"):
        ntk_report(picture(2, side=16), fitted)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_figures_are_written(fine: Report, full: Report, suffix: str) -> None:
    start = {".png": b"\x89PNG", ".svg": b"<?xml"}[suffix]
    drawn = draw_ntk(fine, suffix) if suffix == ".svg" else draw_ntks([fine, full], suffix)
    assert drawn.startswith(start)
    assert len(drawn) > 20_000
    assert draw_ntk(full).startswith(b"\x89PNG")


# -- rules, on reports made for them


def band(low: float, high: float, energy: float, left: float, half: float = math.inf, kappa: float = 1.0) -> Band:
    return Band(low, high, 10, kappa, 0.0, kappa, 1.0, energy, 1.0, left, left, half)


def made(**changes: object) -> Report:
    """A field that learns everything, about which there is nothing else to say."""
    modes = Modes(
        n=100, trace=100.0, largest=10.0, least=0.0, floor_index=100, values=(0.1,) * 100, energy=(1.0,) * 100,
        ranks=Ranks(10, 20, 50, 100), condition_trace=10, condition_target=10, kta=0.5, cka_target=0.5, lga=0.5,
        energy90=5, top10=0.9,
    )  # fmt: skip
    bands = (band(0, 0, 0, 0), band(0.01, 0.1, 90, 0.01), band(0.1, 0.5, 10, 0.01))
    report = Report(
        "quick", "siren", "a.png", "start", 10, 1000, 1, 100, 1e-3, 64, "adam", modes, {"body": 1.0}, bands,
        verdict=Verdict(0.0, math.nan, math.inf), cka_init=0.95, is_followed=True,
    )  # fmt: skip
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


POOR = {
    "bands": (band(0, 0, 0, 0), band(0.01, 0.1, 90, 0.01), band(0.1, 0.5, 10, 0.9)),
    "verdict": Verdict(0.1, 0.22, 25.0),
}


def test_all_learned_says_only_that() -> None:
    report = judge(made())
    assert rules(report) == {"unlearned"}
    assert "All bands that matter" in report.verdict.findings[0].text


def test_the_share_and_the_limit_are_said() -> None:
    (found,) = judge(made(**POOR)).verdict.findings
    assert found.text.startswith("10 % of the target's energy")
    assert "0.22 cycles per sample" in found.text
    assert "25.0 dB" in found.text


def test_more_steps_only_where_they_would_do() -> None:
    near = (*POOR["bands"][:2], band(0.1, 0.5, 10, 0.9, half=450))  # type: ignore[index]
    far = (*POOR["bands"][:2], band(0.1, 0.5, 10, 0.9, half=1500))  # type: ignore[index]
    assert (
        "About 450 steps"
        in {f.rule: f.text for f in judge(made(**POOR | {"bands": near})).verdict.findings}["more_steps"]
    )
    assert "more_steps" not in rules(judge(made(**POOR | {"bands": far})))


def test_settings_are_advice_only_where_a_trial_was_better() -> None:
    better = (Trial("activation.omega=60", 0.01, 40.0), Trial(BASE, 0.1, 25.0))
    alike = (Trial("activation.omega=60", 0.095, 25.0), Trial(BASE, 0.1, 25.0))
    told = {f.rule: f for f in judge(made(**POOR, trials=better)).verdict.findings}
    assert "Try activation.omega=60: in a short trial it left 1 % unlearned" in told["try_setting"].text
    assert "2006.09661" in told["try_setting"].source
    assert "nothing_helps" in rules(judge(made(**POOR, trials=alike)))
    assert "try_setting" not in rules(judge(made(**POOR, trials=alike)))
    assert {"try_setting", "nothing_helps"}.isdisjoint(rules(judge(made(trials=better))))


def test_the_regime_is_told_by_the_kernels_likeness() -> None:
    from inr.ntk import Drift

    moved = Drift(0.5, 0.3, 2.0, 0.5)
    rich = judge(made(**POOR, drift=moved, cka_init=0.7))
    assert not rich.verdict.is_reliable
    assert rich.document()["verdict"]["is_reliable"] is False
    told = {f.rule: f.text for f in rich.verdict.findings}
    assert told["unlearned"].startswith("At most 10 % of the target's energy")
    assert "not to be relied on" in told["rich"]
    assert judge(made(**POOR, drift=moved, cka_init=0.95)).verdict.is_reliable
    assert judge(made(drift=moved, cka_init=0.5, is_linear=True)).verdict.is_reliable
    assert "rich" in rules(judge(made(drift=moved, cka_init=0.7)))
    assert "lazy" in rules(judge(made(drift=moved, cka_init=0.999)))
    assert rules(judge(made(drift=moved, cka_init=0.95))) == {"unlearned"}
    assert "exact" in rules(judge(made(drift=moved, cka_init=1.0, is_linear=True)))


def test_a_run_that_was_not_followed_is_told() -> None:
    assert "coarse" in rules(judge(made(is_followed=False)))
    assert "coarse" not in rules(judge(made(is_followed=False, is_linear=True)))


def test_flat_unaligned_kernels_white_targets_and_sharp_edges_are_told() -> None:
    modes = made().modes
    flat = tuple(band(0.01 * i, 0.01 * (i + 1), 1, 0.0) for i in range(1, 7))
    assert "too_broad" in rules(judge(made(bands=flat, modes=dataclasses.replace(modes, kta=0.02))))
    assert "too_broad" not in rules(judge(made(bands=flat)))
    assert "white" in rules(judge(made(modes=dataclasses.replace(modes, top10=0.001))))
    assert "edge" in rules(judge(made(optimizer="sgd", sharpness=3000.0)))
    assert "edge" not in rules(judge(made(sharpness=3000.0)))


def test_every_rule_can_speak_and_says_why() -> None:
    cases = [
        made(is_linear=True), made(**POOR), made(modes=dataclasses.replace(made().modes, top10=0.001)),
    ]  # fmt: skip
    for report in cases:
        for rule in RULES:
            found = rule(report)
            assert found is None or (found.because and found.source and found.text.endswith("."))


def test_numbers_are_said_shortly() -> None:
    assert [percent(v) for v in (0, 0.00123, 0.0594, 0.5, 1.0)] == ["< 0.01 %", "0.12 %", "5.9 %", "50 %", "100 %"]
    assert [rounded(v) for v in (7, 63, 1234, 45678)] == ["7", "63", "1,200", "46,000"]


# -- parts


def test_descent_by_the_formula() -> None:
    kappa = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    found = descend(kappa, 20, 0.5, 7)
    assert found.left.tolist() == pytest.approx([1.0, 0.95**14, 0.75**14])
    assert float(found.half[0]) == math.inf
    assert 0.95 ** (2 * float(found.half[1])) == pytest.approx(0.5)


def test_adam_with_equal_bands_is_gradient_descent_while_gradients_last() -> None:
    """One step: v is v_0, so the scale is 1 and the step that of the preconditioned kernel."""
    kappa, bent = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    left = adapt(kappa, bent, torch.ones(2), 10.0, 100, 100, Plan(1, 0.5, batch=100)).left
    assert left.tolist() == pytest.approx([(1 - 0.03) ** 2, (1 - 0.04) ** 2])


def test_adam_speeds_up_as_gradients_shrink() -> None:
    kappa = torch.tensor([1.0, 1e-3], dtype=torch.float64)
    bent = 100 * kappa
    size, steps = 1000, 3000
    plan = Plan(steps, 0.1, batch=1000, beta2=0.9)
    found = adapt(kappa, bent, torch.ones(2, dtype=torch.float64), 0.0, size, 1000, plan)
    frozen = (1 - 2 * 0.1 * bent[1] / size) ** (2 * steps)
    assert float(found.left[1]) < float(frozen)
    assert float(found.half[0]) < float(found.half[1])


def test_moments_of_a_run_that_are_larger_than_its_gradients_now_hold_it_back() -> None:
    """v_0 remembers; with ratio 1/4 the first step has s = sqrt(1 / (b2 w + (1 - b2) / 4) (b2 w + 1 - b2))."""
    kappa = torch.ones(1, dtype=torch.float64)
    plan = Plan(1, 0.5, batch=100, beta2=0.5, done=1)
    left = adapt(kappa, kappa, kappa, 100.0, 100, 100, plan, 0.25).left
    scale = math.sqrt((0.25 + 0.5) / (0.25 + 0.125))
    assert float(left) == pytest.approx((1 - 0.01 * scale) ** 2)


def test_a_closed_form_has_no_run() -> None:
    report = ntk_report(picture(2, side=16), {"type": "chebyshev"}, points=32)
    assert (report.steps, report.rehearsed, report.trials) == (0, 0, ())
    assert any("the closed form does not reach" in f.text for f in report.verdict.findings)


def test_ratios_are_carried_by_frequency() -> None:
    got = carried(torch.tensor([9.0, 1.0, 100.0]), (0.0, 0.1, 0.2), (0.0, 0.1, 0.1 * 2**0.5, 0.4))
    assert got.tolist() == pytest.approx([1.0, 1.0, 10.0, 100.0])


def test_windows_are_as_square_as_they_can_be() -> None:
    assert _window((100, 100), 400) == (20, 20)
    assert _window((10, 1000), 400) == (10, 40)
    assert _window((5, 100, 100), 2000) == (5, 20, 20)
    assert _window((50_000,), 512) == (512,)


def test_energy_by_band_keeps_the_sum_and_finds_the_wave() -> None:
    n = 64
    wave = torch.cos(2 * math.pi * 9 * (torch.arange(n) + 0.5) / n) + 3

    def at(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return ((index + 0.5) / n).unsqueeze(1), wave[index].unsqueeze(1)

    windows = windows_of(Samples(Spec("audio", 1, 1, (n,)), n, at, (0,)), 1000, 1, torch.Generator())
    assert windows is not None
    found = energies(windows.y, windows)
    assert float(found.sum()) == pytest.approx(float(wave.double().square().sum()), rel=1e-9)
    assert float(found[0]) == pytest.approx(9 * n, rel=1e-6)
    high = max(range(1, len(found)), key=lambda i: float(found[i]))
    assert windows.bands.edges[high][0] <= 9 / n <= windows.bands.edges[high][1]


def test_shares_limits_and_the_roll_off() -> None:
    bands = (
        band(0, 0, 0, 0, kappa=1000), band(0.01, 0.1, 90, 0.01, kappa=100), band(0.1, 0.2, 6, 0.6, kappa=8),
        band(0.2, 0.5, 4, 1.0, kappa=1),
    )  # fmt: skip
    assert unlearned(bands) == pytest.approx(0.1)
    assert limit_db(bands, 2.0, 1000) == pytest.approx(10 * math.log10(4000 / (6 * 0.6 + 4)))
    assert limit_db(bands[:2], 2.0, 1000) == math.inf
    assert _roll_off(bands) == pytest.approx(math.sqrt(0.02))
    assert _roll_off(bands[:2]) is None
