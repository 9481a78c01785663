"""File names and text from files: shown escaped, quoted in hints, and never used as markup, code or commands."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from inr_cli._output import Output
from inr_cli._training import say_interrupted

from tests.cli.conftest import TINY, document, invoke

HOSTILE = (
    "a\nb;touch PWNED\n#.png",
    "<img src=x onerror=alert(1)>.png",
    "a\x1b[2J\x1b]0;PWNED\x07.png",
    "a\u202egnp.png",
    "bad\udcff.png",
    "a$\\frac{x$ :smile: [bold].png",
    "-x.png",
)


def rewritten(model: bytes, **changes: Any) -> bytes:
    """The model file with other values in its document."""
    n = struct.unpack("<Q", model[:8])[0]
    header = json.loads(model[8 : 8 + n])
    header["__metadata__"]["inr"] = json.dumps(json.loads(header["__metadata__"]["inr"]) | changes)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + model[8 + n :]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_models_source_is_plain_text_wherever_it_is_shown(model: Path, name: str) -> None:
    model.write_bytes(rewritten(model.read_bytes(), source=name, made_by={"inr": name}))
    shown = invoke("inspect", model)
    assert shown.exit_code == 0, shown.output
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout
    assert len([line for line in shown.stdout.splitlines() if line.startswith("  signal ")]) == 1
    assert "PWNED" not in "".join(line for line in shown.stdout.splitlines() if not line.startswith("  "))
    assert document(invoke("inspect", model, "--json"))["files"][0]["source"] == name
    for suffix in (".glsl", ".wgsl", ".html"):
        assert invoke("export", model, "-o", f"e{suffix}").exit_code == 0
        text = Path(f"e{suffix}").read_text("utf-8")
        assert not {"\x1b", "\u202e"} & set(text)
        assert "<img src=x" not in text or suffix != ".html"
        assert all(line.startswith("//") for line in text.splitlines() if "PWNED" in line) or suffix == ".html"


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_shows_any_name_as_text(model: Path, picture_bytes: bytes, name: str) -> None:
    Path(name).write_bytes(picture_bytes)
    Path(name).with_suffix(".safetensors").write_bytes(rewritten(model.read_bytes(), source=name))
    written = invoke("report", "-o", "r.html", "--", Path(name).with_suffix(".safetensors"))
    assert written.exit_code == 0, written.output
    text = Path("r.html").read_text("utf-8")
    assert not {"\x1b", "\u202e"} & set(text)
    assert "<img src=x" not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_results_and_hints_with_any_name(here: Path, picture_bytes: bytes, name: str) -> None:
    Path(name).write_bytes(picture_bytes)
    fitted = invoke("fit", name, *TINY, "--steps", "1")
    assert fitted.exit_code == 0, fitted.output
    assert len(fitted.stdout.splitlines()) == 1
    assert not {"\x1b", "\u202e"} & set(fitted.output)
    table = invoke("batch", name, "-o", "many", *TINY, "--steps", "1")
    assert table.exit_code == 0, table.output
    assert len(table.stdout.splitlines()) == 3
    assert ":smile:" in table.stdout or ":smile:" not in name
    assert not {"\x1b", "\u202e"} & set(table.output)


@pytest.mark.parametrize("folder", ["no such; dir", "a\nb", "bad\udcff", "$(touch PWNED)", "it's"])
def test_the_hint_for_a_missing_folder_makes_it(picture: Path, here: Path, folder: str) -> None:
    for args in (
        ("fit", picture, *TINY, "--steps", "1", "-o", f"{folder}/x.safetensors"),
        ("fit", picture, *TINY, "--steps", "1", "--checkpoint", f"{folder}/c"),
        ("demo", "-o", folder),
    ):
        result = invoke(*args)
        assert result.exit_code == 2
        hint = result.stderr.splitlines()[-1].removeprefix("hint: ")
        subprocess.run(["bash", "-c", hint], check=True)
        assert os.listdir(os.fsencode(here)).count(os.fsencode(folder)) == 1
        Path(folder).rmdir()
    assert not Path("PWNED").exists()


def test_the_hint_of_an_interrupted_run_is_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    again = ("inr", "fit", "a b;c.png", "--resume", Path("d e"), "-o", Path("x'y.safetensors"))
    say_interrupted(Output(), "fit", 7, 1.0, Path("d e"), again)
    hint = capsys.readouterr().err.splitlines()[-1].removeprefix("hint: ")
    words = subprocess.run(["bash", "-c", f'printf "%s\\n" {hint}'], capture_output=True, text=True, check=True)
    assert words.stdout.splitlines()[:6] == ["inr", "fit", "a b;c.png", "--resume", "d e", "-o"]
    assert words.stdout.splitlines()[6] == "x'y.safetensors"


@pytest.mark.parametrize(
    "args",
    [
        ("fit",), ("fit", "a.png", "--nope"), ("nosuch",), ("fit", "a.png", "--steps", "x"), ("--nope",),
        ("fit", "a.png", "--steps", "9" * 50), ("fit", "a.png", "-o", ""), ("inspect", "no"), ("fields", "nope"),
    ],
)  # fmt: skip
def test_errors_of_every_kind_are_one_document_with_json(picture: Path, args: tuple[str, ...]) -> None:
    result = invoke(*args, "--json")
    assert result.stdout in ("", result.stdout if args[0] == "inspect" else "")
    assert json.loads(result.stderr)["exit_code"] == result.exit_code > 0


def test_settings_are_printed_as_json_on_demand(picture: Path) -> None:
    printed = document(invoke("fit", picture, *TINY, "--steps", "7", "--print-config", "--json"))
    assert (printed["schema"], printed["fit"]["steps"], printed["signal"]) == ("inr.config", 7, {"kind": "image"})


@pytest.mark.parametrize("key", ["😀", 'k"\\', "\x07\x1b\x7f", "a\nb\r\t", "\u2028\u202e", "none", "", "'''"])
def test_printed_settings_of_any_text_are_read_back(here: Path, key: str) -> None:
    from inr.core.config import read_toml, to_toml

    sections = {"field": {"type": "siren", "width": None}, "signal": {"key": key, "list": [1, 2.5], "x": 1e-300}}
    read = read_toml(to_toml(sections).encode(), "c.toml")
    assert read == {"field": {"type": "siren", "width": "none"}, "signal": sections["signal"]}


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "field." + "a." * 5000 + "b = 1",
        "[fit]\nsteps = 0x" + "f" * 9000,
        "x = " + "9" * 5000,
        "\0",
    ],
)
def test_unreadable_settings_files_are_one_line(picture: Path, text: str) -> None:
    Path("c.toml").write_text(text)
    result = invoke("fit", picture, "--config", "c.toml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: c.toml")
    assert len(result.stderr) < 1000


def test_too_many_threads_are_refused(picture: Path) -> None:
    before = torch.get_num_threads()
    result = invoke("fit", picture, *TINY[:-3], "--threads", "100000")
    assert (result.exit_code, torch.get_num_threads()) == (2, before)
    assert "--threads is 100000, expected a whole number from 1 to" in result.stderr


@pytest.mark.parametrize("command", ["compress", "decompress", "eval", "learn", "inspect", "report", "batch"])
def test_help_shows_dots_once(command: str) -> None:
    usage = invoke(command, "--help").stdout.splitlines()[0]
    assert "..." in usage
    assert "...." not in usage
