"""The sentences of a verdict, on artificial reports."""

from __future__ import annotations

import dataclasses
import math

from inr.ntk import Drift, Report, document_of
from inr.ntk.advice_gains import gains_of
from inr.ntk.report import UNCHANGED, Rehearsal, Trial
from inr.ntk.verdict import RULES, judge, percent, rounded
from tests.ntk.small_reports import POOR, band, made


def rules(report: Report) -> set[str]:
    return {f.rule for f in report.verdict.findings}


def test_if_all_is_learned_there_is_no_other_finding() -> None:
    report = judge(made())
    assert rules(report) == {"unlearned"}
    assert "All important bands" in report.verdict.findings[0].text


def test_the_share_and_the_limit_are_stated() -> None:
    (found,) = judge(made(**POOR)).verdict.findings
    assert found.text.startswith("10 % of the target's energy")
    assert "0.22 cycles per sample" in found.text
    assert "25.0 dB" in found.text


def test_more_steps_are_proposed_only_where_they_help() -> None:
    near = (*POOR["bands"][:2], band(0.1, 0.5, 10, 0.9, half=450))  # type: ignore[index]
    far = (*POOR["bands"][:2], band(0.1, 0.5, 10, 0.9, half=1500))  # type: ignore[index]
    assert (
        "About 450 steps"
        in {f.rule: f.text for f in judge(made(**POOR | {"bands": near})).verdict.findings}["more_steps"]
    )
    assert "more_steps" not in rules(judge(made(**POOR | {"bands": far})))


def test_settings_are_advice_only_where_a_trial_was_better() -> None:
    better = (Trial("encoding.sigma=20", 0.01, 40.0), Trial(UNCHANGED, 0.1, 25.0))
    alike = (Trial("encoding.sigma=20", 0.095, 25.0), Trial(UNCHANGED, 0.1, 25.0))
    reported = {f.rule: f for f in judge(made(**POOR, trials=better)).verdict.findings}
    assert "Try encoding.sigma=20: a short trial left 1 % unlearned" in reported["try_setting"].text
    assert "2006.10739" in reported["try_setting"].source
    assert "nothing_helps" in rules(judge(made(**POOR, trials=alike)))
    assert "try_setting" not in rules(judge(made(**POOR, trials=alike)))
    assert {"try_setting", "nothing_helps"}.isdisjoint(rules(judge(made(trials=better))))


def test_the_regime_follows_from_the_similarity_of_kernels() -> None:
    moved = Drift(0.5, 0.3, 2.0, 0.5)
    rich = judge(made(**POOR, drift=moved, cka_init=0.7))
    assert not rich.verdict.is_reliable
    assert document_of(rich)["verdict"]["is_reliable"] is False
    reported = {f.rule: f.text for f in rich.verdict.findings}
    assert reported["unlearned"].startswith("At most 10 % of the target's energy")
    assert "is not reliable" in reported["rich"]
    assert judge(made(**POOR, drift=moved, cka_init=0.95)).verdict.is_reliable
    assert judge(made(drift=moved, cka_init=0.5, is_linear=True)).verdict.is_reliable
    assert "rich" in rules(judge(made(drift=moved, cka_init=0.7)))
    assert "lazy" in rules(judge(made(drift=moved, cka_init=0.999)))
    assert rules(judge(made(drift=moved, cka_init=0.95))) == {"unlearned"}
    assert "exact" in rules(judge(made(drift=moved, cka_init=1.0, is_linear=True)))


def test_a_run_without_measurements_is_reported() -> None:
    assert "coarse" in rules(judge(made(is_followed=False)))
    assert "coarse" not in rules(judge(made(is_followed=False, is_linear=True)))


def test_flat_unaligned_kernels_white_targets_and_sharp_edges_are_reported() -> None:
    modes = made().modes
    flat = tuple(band(0.01 * i, 0.01 * (i + 1), 1, 0.0) for i in range(1, 7))
    assert "too_broad" in rules(judge(made(bands=flat, modes=dataclasses.replace(modes, kta=0.02))))
    assert "too_broad" not in rules(judge(made(bands=flat)))
    assert "white" in rules(judge(made(modes=dataclasses.replace(modes, top10=0.001))))
    assert "edge" in rules(judge(made(optimizer="sgd", sharpness=3000.0)))
    assert "edge" not in rules(judge(made(sharpness=3000.0)))


def test_every_rule_can_apply_and_gives_its_reason() -> None:
    cases = [
        made(is_linear=True), made(**POOR), made(modes=dataclasses.replace(made().modes, top10=0.001)),
    ]  # fmt: skip
    for report in cases:
        for rule in RULES:
            found = rule(report)
            assert found is None or (found.because and found.source and found.text.endswith("."))


def test_numbers_are_written_shortly() -> None:
    assert [percent(v) for v in (0, 0.00123, 0.0594, 0.5, 1.0)] == ["< 0.01 %", "0.12 %", "5.9 %", "50 %", "100 %"]
    assert [rounded(v) for v in (7, 63, 1234, 45678)] == ["7", "63", "1,200", "46,000"]


REHEARSED = {
    **POOR,
    "cka_init": 0.4,
    "drift": Drift(1.0, 0.6, 3.0, 0.2),
    "rehearsal": Rehearsal(0.1, (70, 30), (0, 110), ((1.0, 1.0, 1.0), (0.1, 0.01, 0.9)), 1.5, 88, 100),
}


def test_a_rehearsed_forecast_says_how_often_such_were_right() -> None:
    report = judge(made(**REHEARSED))
    texts = {f.rule: f.text for f in report.verdict.findings}
    assert texts["unlearned"] == (
        "Bands from 0.22 cycles per sample upwards stay unlearned after 110 steps (9 of 10 such forecasts were right): "
        "10 % of the target's energy."
    )
    assert report.verdict.is_reliable
    assert "follow_it" not in texts
    assert "The forecast follows it" in texts["rich"]


def test_few_forecasts_are_counted_and_not_rounded() -> None:
    rows = ((1.0, 1.0, 1.0), (0.1, 0.01, 0.9))
    for right, said, words in ((4, 5, "(4 of 5 such forecasts were right)"), (0, 3, "(0 of 3 such"), (0, 0, "")):
        rehearsal = Rehearsal(0.1, (70, 30), (0, 110), rows, 1.5, right, said)
        text = judge(made(**REHEARSED | {"rehearsal": rehearsal})).verdict.findings[0].text
        assert words in text
        assert ("such forecasts" in text) is bool(said)


def test_a_kernel_that_changes_is_to_be_followed() -> None:
    report = judge(made(**{k: v for k, v in REHEARSED.items() if k != "rehearsal"}))
    assert not report.verdict.is_reliable
    assert "--rehearse 10%" in {f.rule: f.text for f in report.verdict.findings}["follow_it"]


def test_rehearsed_settings_are_advised_by_their_gain() -> None:
    def found(*trials: Trial) -> dict[str, str]:
        chosen = judge(made(**REHEARSED | {"trials": trials}))
        return {f.rule: f.text for f in chosen.verdict.findings}

    plain = Trial(UNCHANGED, 0.1, math.nan, 0.0)
    good = found(Trial("fit.lr=0.003", 0.0, math.nan, 4.2), Trial("fit.optimizer=soap", 0.0, math.nan, 1.5), plain)
    assert good["try_setting"] == (
        "Try fit.lr=0.003: rehearsed, it leaves 4.2 dB less of the signal. Also better: fit.optimizer=soap (1.5 dB). "
        + gains_of("fit.lr=0.003", is_rehearsed=True).sentence()
    )
    poor = found(Trial("fit.lr=0.003", 0.0, math.nan, 0.4), plain)
    assert "try_setting" not in poor
    assert "fit.lr=0.003" in poor["nothing_helps"]
