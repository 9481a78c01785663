"""Conformal quantiles, intervals, and the data that is in the package."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Generator

from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.ntk.forecast import calibration
from inr.ntk.forecast.calibration import (
    KERNEL,
    LEVEL,
    Calibration,
    calibration_of,
    conformal_quantile,
    family_class,
    score,
)

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SPEC = Spec(kind="image", d_in=2, d_out=3, shape=(8, 8))


def test_the_quantile_of_runs_with_one_band_is_the_conformal_one() -> None:
    """ceil((n + 1) level)-th smallest of n (Vovk et al. 2005)."""
    assert conformal_quantile([[float(i)] for i in range(9)]) == 8
    assert conformal_quantile([[float(i)] for i in range(19)]) == 17
    assert math.isinf(conformal_quantile([[1.0]] * 8))


def test_runs_count_and_not_their_bands() -> None:
    runs = [[float(i)] for i in range(19)]
    assert conformal_quantile([*runs[:-1], runs[-1] * 50]) == conformal_quantile(runs)
    assert math.isinf(conformal_quantile([[1.0] * 100] * 8))
    assert math.isinf(conformal_quantile([]))


def test_nine_of_ten_bands_of_new_runs_are_below_it() -> None:
    """Runs that differ more than their bands do: at least the level, on average over bands of a new run."""
    generator = Generator().manual_seed(0)
    held = []
    for _ in range(1500):
        scale = torch.rand(21, 1, generator=generator, dtype=torch.float64).log().square()
        runs = (scale * torch.rand(21, 5, generator=generator, dtype=torch.float64)).tolist()
        limit = conformal_quantile(runs[:-1])
        held.append(sum(value <= limit for value in runs[-1]) / 5)
    assert sum(held) / len(held) > LEVEL - 0.02


@pytest.mark.parametrize(("forecast", "known"), [(0.1, 0.5), (0.5, 0.1), (0.3, 0.3), (1e-6, 1.0)])
def test_an_interval_has_what_scores_at_most_the_quantile(forecast: float, known: float) -> None:
    made = Calibration(0.7, 9, 10, 5)
    low, high = made.interval(forecast, known)
    assert low <= forecast < high
    ends = [(high * 0.999, True), (high * 1.001, False)]
    ends += [(low * 1.001, True), (low * 0.999, False)] if low else [(0.0, True), (1e-5, True)]
    for true, inside in ends:
        assert (score(true, forecast, known) <= made.quantile) is inside


def test_the_share_that_was_calibrated_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        way: {"quantile": q, "right": 1, "said": 2, "runs": 3}
        for way, q in ((KERNEL, 9.0), ("0.01", 3.0), ("0.1", 1.0))
    }
    monkeypatch.setattr(calibration, "table", lambda: {"classes": {"network": rows}})
    found = [calibration_of("network", share) for share in (None, 0.005, 0.05, 0.1, 0.3)]
    assert [c and c.quantile for c in found] == [9.0, 3.0, 3.0, 1.0, 1.0]
    assert calibration_of("grid", 0.1) is None


def test_the_data_of_the_package_is_complete() -> None:
    document = json.loads(Path(calibration.__file__).with_name("calibration.json").read_text())
    assert document["record"]
    for kind in ("network", "grid"):
        known = calibration_of(kind, 0.1)
        assert known is not None
        assert 0 < known.quantile < 10
        assert 0 <= known.right <= known.said
        assert known.runs > 0


def test_the_data_of_the_package_is_what_the_records_give() -> None:
    code = "import json, rehearsals; print(json.dumps(rehearsals.calibrated()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == calibration.table(), "run: python benchmarks/rehearsals.py --calibrate"


@pytest.mark.parametrize(("family", "expected"), [("siren", "network"), ("relu_pe", "network"), ("hash_grid", "grid")])
def test_classes_of_families(family: str, expected: str) -> None:
    field = parse(FieldConfig, family, "field").resolve(SPEC).build(SPEC, Generator().manual_seed(0))
    assert family_class(field) == expected
