"""Every option of every command with impossible values: a documented exit code, and one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli.conftest import COMMAND, invoke

NONSENSE = (
    "nan", "inf", "-inf", "1e300", "1e-300", "-1", "0", "9223372036854775807", "18446744073709551616", "9" * 400,
    "", "-", "0x10", "none", "1,nan", "infx1", "x=nan", "=", "a" * 5000, "é\x1b[2J\udcff",
)  # fmt: skip
SMALL = ("--set", "field.width=4", "--set", "field.depth=1")
GIVEN: dict[str, tuple[str, ...]] = {
    "fit": ("a.png", "--field", "siren", *SMALL, "--steps", "1", "--dry-run"),
    "batch": ("a.png", "-o", "out", "--field", "siren", *SMALL, "--steps", "1", "--dry-run"),
    "render": ("a.safetensors", "-o", "r.png", "--force"),
    "mesh": ("torus.safetensors", "--resolution", "8", "-o", "m.ply", "--force"),
    "eval": ("a.safetensors", "a.png"),
    "compare": ("a.png", "--fields", "siren", "--budget", "params=200", "--steps", "1", "--no-progress"),
    "convert": ("a.safetensors", "--field", "siren", *SMALL, "--steps", "1", "-o", "c.safetensors", "--force"),
    "export": ("a.safetensors", "-o", "e.glsl", "--force"),
    "report": ("a.safetensors", "-o", "r.html", "--force"),
    "learn": ("a.png", *SMALL, "--steps", "1", "-o", "l.safetensors", "--force", "--no-progress"),
    "compress": ("a.safetensors", "-o", "c.inrz", "--effort", "1", "--no-verify", "--force", "--no-progress"),
    "decompress": ("a.inrz", "-o", "d.png", "--force"),
    "ntk": ("a.png", "--field", "siren", *SMALL, "--steps", "1", "--points", "4", "--rehearse", "0", "--no-trials"),
    "solve": ("--equation", "u_xx = 1", "--axes", "x=0:1", "--condition", "boundary: u = 0", "--no-progress", "--force",
              "--set", "solve.features=8", "--set", "solve.method=least_squares"),
    "suggest": ("a.png", "--fields", "siren"),
    "csg": ("sphere(0, 0, 0, 1)", "-o", "g.safetensors", "--force"),
    "evolve": ("torus.safetensors", "--smooth", "0.01", "--frames", "1", "--resolution", "8", "-o", "e.gif", "--force"),
    "watch": ("none.checkpoint",),
    "thumbnail": ("a.inrz", "t.png"),
    "doctor": (),
    "demo": (),
}  # fmt: skip
"""What each command is given beside the option, so that it would run and be quick."""


def options_of(name: str) -> list[str]:
    """The options of a command that take a value, by their first long name."""
    found = [
        param
        for param in COMMAND.commands[name].params
        if param.param_type_name == "option" and not param.is_flag and not param.count
    ]
    return [next(name for name in param.opts if name.startswith("--")) for param in found]


def complaint(result: Result) -> str:
    """The fault in how a command ended, or an empty string."""
    if result.exit_code not in (0, 1, 2, 3, 4):
        return f"exit code {result.exit_code}"
    if "this is a bug" in result.stderr or "Traceback" in result.stderr:
        return result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    if result.exit_code >= 2 and (not errors or max(map(len, errors)) > 2100 or "\x1b" in result.stderr):
        return f"exit code {result.exit_code} with {result.stderr!r}"
    return ""


def test_every_command_with_options_is_tried() -> None:
    assert {name for name in COMMAND.commands if options_of(name)} == set(GIVEN)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GIVEN))
def test_extreme_values_are_one_line_and_an_exit_code(
    name: str, model: Path, picture: Path, shape_model: Path, compressed: Path
) -> None:
    complaints = {}
    for option in options_of(name):
        for value in NONSENSE if option != "--title" else NONSENSE[-1:]:  # any text is a title
            result = invoke(name, *GIVEN[name], f"{option}={value}")
            if printed := complaint(result):
                complaints[f"{option}={value[:30]!r}"] = printed
    assert not complaints


@pytest.mark.parametrize("name", list(GIVEN))
def test_an_empty_value_is_refused(name: str, here: Path) -> None:
    """As a path it would be the current folder."""
    for option in options_of(name):
        result = invoke(name, *GIVEN[name], f"{option}=")
        assert (result.exit_code, result.stderr) == (2, f"error: {option} is empty, expected a value\n")
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (("fit", ""), "IN"),
        (("batch", "a.png", "", "-o", "out"), "IN"),
        (("compress", "a.png", "", "-o", "out"), "IN"),
        (("inspect", ""), "FILE"),
        (("learn", "a.png", "", "-o", "l.safetensors"), "IN"),
        (("report", "a.safetensors", ""), "MODEL|RUN"),
        (("fields", ""), "NAME"),
    ],
)
def test_an_empty_argument_is_refused(args: tuple[str, ...], shown: str, here: Path) -> None:
    result = invoke(*args)
    assert (result.exit_code, result.stderr) == (2, f"error: {shown} is empty, expected a value\n")
    assert not list(here.iterdir())


def test_help_wins_over_an_empty_value() -> None:
    result = invoke("fit", "", "--help")
    assert (result.exit_code, result.stderr) == (0, "")
