"""The JSON document of a report: its keys, and that it can be read back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from inr.core.errors import UnreadableError
from inr.ntk import document_of, report_of
from inr.ntk.report_document import VERSION
from tests.ntk.small_reports import fine, full, made

KEYS = {
    "inr_ntk", "mode", "field", "signal", "state", "rehearsed", "is_linear", "is_followed", "n", "p", "o",
    "loss_convention", "dtype", "chunk", "steps", "lr", "batch", "optimizer", "trace", "lambda_max",
    "lambda_min_over_max", "noise_floor_index", "spectrum", "eff_rank", "condition", "kta", "cka_target", "lga",
    "energy", "energy90_index", "top10_energy", "cka_init", "drift", "wide", "bands", "centroid", "roll_off",
    "sharpness", "two_over_lr", "stable_lr", "per_layer_trace", "convergence", "training_jacobian", "trials",
    "verdict", "warnings", "seconds", "power_laws",
}  # fmt: skip
BAND_KEYS = {
    "rho", "low", "high", "count", "kappa", "kappa_error", "kappa_adam", "tau_steps", "target_energy",
    "residual_energy", "left_gd", "left_adam", "half_step", "is_learned",
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
