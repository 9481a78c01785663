"""How often forecasts were right: what is counted, and that verdict and guide quote the records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inr.ntk.forecast import accuracy
from inr.ntk.forecast.accuracy import CHANGES, STAYS, Accuracy, accuracy_of
from inr.ntk.verdict import judge
from tests.ntk.small_reports import made

ROOT = Path(__file__).parents[3]
WAYS = {"quick": None, "`--rehearse 1%`": 0.01, "`--rehearse 3%`": 0.03, "`--rehearse 10%`": 0.1}


def test_shares_are_of_bands_said_and_of_bands_left() -> None:
    of = Accuracy(runs=3, said=10, was=20, both=8, median_db=1.0, worst_db=2.0)
    assert (of.right, of.found) == (0.8, 0.4)
    none = Accuracy(runs=1, said=0, was=0, both=0, median_db=0.0, worst_db=0.0)
    assert (none.right, none.found) == (0, 0)


def test_the_data_of_the_package_is_what_the_records_give() -> None:
    code = "import json, rehearsals; print(json.dumps(rehearsals.accuracies()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "benchmarks", check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == accuracy.document(), "run: python benchmarks/rehearsals.py --calibrate"


def test_a_tenth_of_the_samples_is_enough_where_the_kernel_changes() -> None:
    """At least 85 % right and found, and 2 dB in the median; better than the kernel as it is."""
    tenth, kernel = accuracy_of(0.1), accuracy_of(None)
    assert tenth.right >= 0.85 <= tenth.found
    assert tenth.median_db <= 2
    assert tenth.right > kernel.right
    assert tenth.median_db < kernel.median_db


def test_the_verdict_quotes_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(share: float | None) -> Accuracy:
        return Accuracy(4, 100, 100, 60 if share is None else 95, 1.0, 2.0)

    monkeypatch.setattr("inr.ntk.verdict.accuracy_of", other)
    texts = {f.rule: f.text for f in judge(made(cka_init=0.4, is_followed=True, state="start")).verdict.findings}
    assert "60 % of the bands that it calls unlearned are" in texts["follow_it"]
    assert "--rehearse 10% it is 95 %" in texts["follow_it"]


def test_the_guide_quotes_the_data() -> None:
    text = (ROOT / "docs" / "guide" / "ntk.md").read_text()
    runs = [accuracy_of(None, group).runs for group in (STAYS, CHANGES)]
    assert f"{sum(runs)} runs, of which the kernel changed\nin {runs[1]}:" in text
    lines = text.splitlines()
    for name, share in WAYS.items():
        for group in (STAYS, CHANGES) if share is None else (CHANGES,):
            of = accuracy_of(share, group)
            row = (
                f"| {name} | {group.removeprefix('kernel ')} | {100 * of.right:.0f} % | {100 * of.found:.0f} % "
                f"| {of.median_db:.1f} dB | {of.worst_db:.2g} dB |"
            )
            assert row in lines, row
