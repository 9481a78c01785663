"""The JSON document of a report: its keys, and that it can be read back."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from inr.core.errors import UnreadableError
from inr.ntk import document_of, report_of
from inr.ntk.report import Rehearsal, Trial
from inr.ntk.report_document import VERSION
from tests.ntk.small_reports import fine, full, made

KEYS = {
    "inr_ntk", "mode", "field", "signal", "state", "rehearsed", "is_linear", "is_followed", "n", "p", "o",
    "loss_convention", "dtype", "chunk", "steps", "lr", "batch", "optimizer", "trace", "lambda_max",
    "lambda_min_over_max", "noise_floor_index", "spectrum", "eff_rank", "condition", "kta", "cka_target", "lga",
    "energy", "energy90_index", "top10_energy", "cka_init", "drift", "wide", "bands", "centroid", "roll_off",
    "sharpness", "two_over_lr", "stable_lr", "per_layer_trace", "convergence", "training_jacobian", "trials",
    "verdict", "warnings", "seconds", "power_laws", "rehearsal", "curvature", "effective_dimension",
}  # fmt: skip
BAND_KEYS = {
    "rho", "low", "high", "count", "kappa", "kappa_error", "kappa_adam", "tau_steps", "target_energy",
    "residual_energy", "left_gd", "left_adam", "half_step", "is_learned", "left_low", "left_high",
}  # fmt: skip


def test_the_document_is_json_of_known_keys() -> None:
    for report in (fine(), full()):
        document = document_of(report)
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        assert set(document) == KEYS
        assert document["inr_ntk"] == VERSION == 1
        assert all(set(band) == BAND_KEYS for band in document["bands"])
        assert set(document["verdict"]) == {
            "unlearned", "from_rho", "psnr_limit_db", "is_reliable", "sentences"
        }  # fmt: skip
        assert set(document["verdict"]["sentences"][0]) == {"rule", "text", "because", "source"}
        assert set(document["eff_rank"]) == {"stable", "participation", "entropy", "numerical"}


def test_a_report_can_be_read_back() -> None:
    for report in (fine(), full()):
        document = json.loads(json.dumps(document_of(report)))
        assert document_of(report_of(document, "a.json")) == document


def test_a_rehearsal_is_kept() -> None:
    rehearsal = Rehearsal(0.1, (70, 30), (0, 10), ((1.0, 1.0, 1.0), (0.5, 0.2, 0.9)), 1.5, 9, 10, 3.0, (0.4,) * 3)
    trials = (Trial("fit.lr=0.003", 0.1, math.nan, 2.5), Trial("as it is", 0.2, math.nan, 0.0))
    report = made(rehearsal=rehearsal, trials=trials)
    document = json.loads(json.dumps(document_of(report), allow_nan=False))
    read = report_of(document, "a.json")
    assert read.rehearsal == rehearsal
    assert [t.gain_db for t in read.trials] == [2.5, 0.0]


def test_a_document_of_an_older_version_is_read() -> None:
    document = document_of(made(trials=(Trial("as it is", 0.2, 30.0),)))
    del document["rehearsal"], document["effective_dimension"]
    for part in document["bands"]:
        del part["left_low"], part["left_high"]
    del document["trials"][0]["gain_db"]
    read = report_of(document, "a.json")
    assert read.rehearsal is None
    assert math.isnan(read.bands[0].left_low)
    assert math.isnan(read.modes.dimension)
    assert math.isnan(read.trials[0].gain_db)


def test_long_curves_are_thinned() -> None:
    modes = dataclasses.replace(made().modes, values=(0.1,) * 300, energy=(1.0,) * 300)
    document = document_of(made(modes=modes))
    assert len(document["spectrum"]["value"]) < 256
    assert report_of(document, "a.json").modes.size == 300


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"inr_ntk": 2}, "'a.json' is not a report of the tangent kernel"),
        ({"inr_ntk": 1}, "cannot read the tangent kernel's report in 'a.json'"),
    ],
)
def test_other_documents_are_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        report_of(document, "a.json")
