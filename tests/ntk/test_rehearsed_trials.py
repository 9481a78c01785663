"""Trials of a report whose run is rehearsed: what they find, and that it comes true."""

from __future__ import annotations

import pytest

from inr.fitting import resolve
from inr.ntk import Report, ntk_report
from inr.ntk.changes import changes, sizes
from inr.ntk.report import UNCHANGED
from tests.ntk.small_reports import SMALL, picture

SLOW = {"steps": 40, "optimizer": "adam", "lr": 2e-5, "schedule": "constant"}


@pytest.fixture(scope="module")
def slow() -> Report:
    return ntk_report(picture(3), SMALL, SLOW, points=16, rehearse=0.3)


def test_a_run_that_is_too_slow_is_advised_a_higher_rate(slow: Report) -> None:
    gains = {t.setting: t.gain_db for t in slow.trials}
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    assert gains[UNCHANGED] == 0
    assert gains["fit.lr=6e-05"] > 0
    assert "fit.lr=6.67e-06" not in gains  # lower rates are not advised
    assert gains["--recipe best"] > 1
    (advice,) = [f for f in slow.verdict.findings if f.rule == "try_setting"]
    assert advice.text.startswith(f"Try {slow.trials[0].setting}: rehearsed, it leaves")


def test_the_verdict_is_of_the_rehearsal(slow: Report) -> None:
    assert slow.rehearsal is not None
    assert slow.rehearsal.steps[-1] == 40
    assert slow.verdict.is_reliable
    last = slow.rehearsal.left[-1]
    assert [b.left_adam for b in slow.bands] == pytest.approx(list(last))
    assert slow.verdict.findings[0].text.startswith("Bands from")
    assert all(b.left_low <= b.left_adam <= b.left_high for b in slow.bands if b.left_adam > 0)


def test_the_advice_comes_true(slow: Report) -> None:
    """The best trial, fitted, leaves at least 1 dB less than the settings as they are."""
    from inr.workflows.fit import fit

    signal = picture(3)
    config, settings = resolve(signal, SMALL, SLOW)
    known = {c.what: c for c in [*changes(signal, config, settings), *sizes(config, settings)]}
    best = known[slow.trials[0].setting]
    plain = fit(signal, SMALL, SLOW).metrics["psnr_db"]
    better = fit(signal, best.field, best.run).metrics["psnr_db"]
    assert better > plain + 1
