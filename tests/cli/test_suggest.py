"""`inr suggest`, and `inr fit --track-ntk`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, document, invoke

NET = ("--set", "field.width=16", "--threads", "1")


def test_the_commands_that_are_proposed_run(picture: Path) -> None:
    result = invoke("suggest", picture, *NET, "--quiet")
    assert result.exit_code == 0, result.output
    commands = result.stdout.splitlines()
    assert commands[0] == f"inr fit {picture}"
    assert len(commands) > 1
    for command in commands:
        done = invoke(*shlex.split(command)[1:], "--steps", "1", "--no-progress", "--force")
        assert done.exit_code == 0, done.output


def test_the_table_has_a_reason_for_every_proposal(sound: Path) -> None:
    result = invoke("suggest", sound, *NET)
    assert result.exit_code == 0, result.output
    first, header, *lines = result.stdout.splitlines()
    assert first.startswith("half of the energy is below 0.")
    assert header.split() == ["field", "setting", "value", "default", "reason"]
    rows = [line for line in lines if not line.startswith("inr fit ")]
    assert len(rows) == len(lines) / 2
    assert all("energy" in row or "no rule was better" in row for row in rows)


def test_json_has_the_same_content(sound: Path) -> None:
    printed = document(invoke("suggest", sound, *NET, "--json"))
    assert (printed["schema"], printed["kind"]) == ("inr.suggest", "audio")
    assert sum(band["energy"] for band in printed["bands"]) == pytest.approx(1.0)
    for row in printed["proposals"][1:]:
        assert 0 <= row["slow"] <= 1
        assert row["setting"] in row["command"] or row["value"] == row["default"]


RANK = ("--field", "siren", "--set", "field.width=8", "--set", "field.depth=1", "--steps", "4", "--threads", "1")


def test_settings_of_one_family_are_ranked_and_the_commands_run(picture: Path) -> None:
    poor = ("--set", "fit.lr=1e-6", "--set", "fit.optimizer=adam", "--rehearse", "50%")
    result = invoke("suggest", picture, *RANK, *poor)
    assert result.exit_code == 0, result.output
    first, header, *lines = result.stdout.splitlines()
    assert "rehearsals of siren with 4 steps, each on 50 % of the samples: " in first
    assert header.split() == ["setting", "gain", "parameters"]
    assert any(line.startswith("as it is ") for line in lines)
    printed = document(invoke("suggest", picture, *RANK, *poor, "--json"))
    assert printed["schema"] == "inr.suggest_settings"
    rows = {row["setting"]: row for row in printed["settings"]}
    assert rows["fit.lr=3e-06"]["gain_db"] > rows["fit.lr=3.33e-07"]["gain_db"]
    assert {"--recipe best", "field.activation.omega=60", "field.width=16", "--field winner"} <= set(rows)
    assert rows["field.width=16"]["parameters"] > 1
    assert "fit.lr" not in rows["--recipe best"]["command"]
    assert "field.depth" not in rows["--field winner"]["command"]
    for row in rows.values():
        done = invoke(*shlex.split(row["command"])[1:], "--dry-run")
        assert done.exit_code == 0, done.output


def test_a_shape_is_ranked_without_naming_a_family() -> None:
    small = ("--set", "field.encoding.log2_table=8", "--threads", "1", "--rehearse", "0.5%", "--steps", "2")
    result = invoke("suggest", "analytic:torus", *small, "--quiet")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("inr fit analytic:torus --field hash_grid --set field.encoding.log2_table=8 --steps 2")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("analytic:torus", "--fields", "siren"), "no rule covers field 'siren' for signals of kind 'shape'"),
        (("a.png", "--field", "siren", "--fields", "siren"), "--field and --fields are both given"),
        (("a.png", "--steps", "5"), "--steps cannot be used without --field"),
        (("a.png", "--field", "siren", "--rehearse", "50"), "--rehearse is '50', expected a percentage"),
        (("a.png", "--field", "siren", "--set", "fit.optimizer=lbfgs"), "'lbfgs' cannot be rehearsed"),
        (("a.png", "--fields", "hash_gird"), "no rule covers field 'hash_gird'"),
        (("a.png", "--set", "fit.lr=1"), "unknown section 'fit'"),
        (("a.png", "--set", "field.widht=3"), "did you mean 'width'"),
    ],
)
def test_impossible_requests_are_one_clear_line(picture: Path, args: tuple[str, ...], words: str) -> None:
    result = invoke("suggest", *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert sum(line.startswith("error: ") for line in result.stderr.splitlines()) == 1


def test_a_tracked_fit_prints_its_cost_and_writes_its_measurements(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "8", "--set", "fit.track_ntk=1e9", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["track_seconds"] > 0
    assert "tangent kernel: measured at steps 0, 1, 2, 4, 5, 8, CKA with the start" in result.stderr
    plain = document(invoke("fit", picture, *TINY, "--steps", "8", "--json", "-o", "b.safetensors"))
    assert plain["track_seconds"] is None
    assert plain["metrics"] == printed["metrics"]


def test_a_fit_too_short_for_a_measurement_is_reported(picture: Path) -> None:
    result = invoke("fit", picture, *TINY, "--steps", "2", "--track-ntk")
    assert result.exit_code == 0, result.output
    assert "not measured, the fit was too short" in result.stderr


def test_tracking_a_shape_is_refused_in_one_line() -> None:
    result = invoke("fit", "analytic:torus", *TINY, "--steps", "2", "--track-ntk")
    assert result.exit_code == 2
    assert "on a lattice, but this signal is of kind 'shape'" in result.stderr
