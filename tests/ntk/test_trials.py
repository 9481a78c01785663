"""Which settings are tried for which fields."""

from __future__ import annotations

from typing import Any

import pytest

from inr.core.config import parse
from inr.fields import FieldConfig
from inr.ntk.trials import candidates


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (
            {"type": "siren", "width": 16},
            ["field=winner", "fit.lr=0.003"],
        ),
        (
            {"type": "mlp", "encoding": "identity", "activation": "relu"},
            ["encoding=frequency", "linear=fourier_reparam", "fit.lr=0.003"],
        ),
        (
            {"type": "rff", "encoding": {"type": "random_fourier", "sigma": 3.0}},
            ["encoding.sigma=6", "encoding.sigma=12"],
        ),
    ],
)
def test_candidates_of_a_family(field: dict[str, Any], expected: list[str]) -> None:
    found = candidates(parse(FieldConfig, field, "field"), 1e-3)
    assert [what for what, _, _ in found][: len(expected)] == expected
    assert [lr for _, _, lr in found][-1] == pytest.approx(3e-3)


def test_a_candidate_differs_from_the_field_in_its_setting() -> None:
    siren = parse(FieldConfig, {"type": "siren", "width": 16}, "field")
    changed = {what: config for what, config, _ in candidates(siren, 1e-3)}
    assert changed["field=winner"].to_json()["width"] == 16
    assert changed["fit.lr=0.003"] == siren
    sine = {"type": "sine", "omega": 30, "omega_first": 30}
    siren = parse(FieldConfig, {"type": "siren", "activation": sine}, "field")
    assert "activation.omega=60" not in {what for what, _, _ in candidates(siren, 1e-3)}
    rehearsed = {what: config for what, config, _ in candidates(siren, 1e-3, is_rehearsed=True)}
    omega = rehearsed["activation.omega=60"].to_json()["activation"]
    assert omega["omega"] == omega["omega_first"] == 60
    rff = parse(FieldConfig, {"type": "rff", "encoding": {"type": "random_fourier", "sigma": 3.0}}, "field")
    assert {what: config for what, config, _ in candidates(rff, 1e-3)}["encoding.sigma=6"].to_json() == {
        **rff.to_json(), "encoding": {**rff.to_json()["encoding"], "sigma": 6.0},
    }  # fmt: skip
