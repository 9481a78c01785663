"""The figures behind advice: what they count, and that they are those of the records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inr.ntk import advice_gains
from inr.ntk.advice_gains import ALL, FEWEST, Gains, document_of, gains_of, kind_of

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_gains_count_mean_worst_and_losses() -> None:
    assert Gains.of([3.0, -2.0, -0.5, 1.5]) == Gains(4, 0.5, -2.0, 1)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        (Gains(32, 5.13, -0.5, 0), "In 32 fits such advice gained 5.1 dB in the mean, and none lost more than 1 dB."),
        (
            Gains(26, 4.0, -8.7, 3),
            "In 26 fits such advice gained 4.0 dB in the mean; 3 lost more than 1 dB, 8.7 dB at worst: compare fits.",
        ),
    ],
)
def test_the_sentence_says_losses(gains: Gains, expected: str) -> None:
    assert gains.sentence() == expected


def test_kinds_with_few_fits_have_the_figures_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    known = document_of({"kernel": {"fit.lr": [1.0] * FEWEST, "field": [4.0]}, "rehearsal": {"fit.lr": [2.0]}})
    monkeypatch.setattr(advice_gains, "document", lambda: known)
    assert kind_of("fit.lr=0.003") == "fit.lr"
    assert gains_of("fit.lr=0.003", is_rehearsed=False) == Gains(FEWEST, 1.0, 1.0, 0)
    assert gains_of("field=winner", is_rehearsed=False).fits == FEWEST + 1
    assert gains_of("fit.lr=0.003", is_rehearsed=True) == Gains(1, 2.0, 2.0, 0)


def test_advice_gains_in_the_mean() -> None:
    """Of every kind that has figures of its own, and of all together."""
    for way, kinds in advice_gains.document().items():
        assert kinds[ALL]["fits"] == sum(of["fits"] for kind, of in kinds.items() if kind != ALL), way
        for kind, of in kinds.items():
            assert of["mean_db"] > 0 or of["fits"] < FEWEST, (way, kind)


def test_the_data_of_the_package_is_what_the_records_give() -> None:
    code = "import json, verdict_advice; print(json.dumps(verdict_advice.gains_document()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == advice_gains.document(), "run: python benchmarks/verdict_advice.py --gains"
