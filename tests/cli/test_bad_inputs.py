"""Impossible inputs and sizes: one clear line, the right exit code, no traceback, no partial output."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import TINY, invoke, listing


def truncated_png(picture: bytes) -> tuple[str, bytes]:
    return "x.png", picture[: len(picture) // 2]


def empty_picture(picture: bytes) -> tuple[str, bytes]:
    """A PNG whose header states 0x0 pixels."""
    return "x.png", picture[:16] + bytes(8) + picture[24:]


def text_as_sound(picture: bytes) -> tuple[str, bytes]:
    return "x.wav", b"this is a text\n"


def empty_mesh(picture: bytes) -> tuple[str, bytes]:
    return "x.obj", b"# nothing here\n"


def array_of_nan(picture: bytes) -> tuple[str, bytes]:
    import io

    file = io.BytesIO()
    np.save(file, np.full((4, 4), np.nan, np.float32))
    return "x.npy", file.getvalue()


def empty_file(picture: bytes) -> tuple[str, bytes]:
    return "x.png", b""


@pytest.mark.parametrize("make", [truncated_png, empty_picture, text_as_sound, empty_mesh, array_of_nan, empty_file])
def test_unreadable_inputs(here: Path, picture_bytes: bytes, make: Callable[[bytes], tuple[str, bytes]]) -> None:
    name, data = make(picture_bytes)
    Path(name).write_bytes(data)
    before = listing(here)
    result = invoke("fit", name, *TINY, "--steps", "2")
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("error: ")
    assert name in result.stderr.splitlines()[0]
    assert listing(here) == before


@pytest.mark.parametrize("command", ["fit", "render", "mesh", "inspect"])
@pytest.mark.parametrize("name", ["missing.png", "folder"])
def test_inputs_that_are_not_files(here: Path, command: str, name: str) -> None:
    (here / "folder").mkdir()
    result = invoke(command, name)
    assert result.exit_code == 3
    error, *hints = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert [line.partition(":")[0] for line in hints] == (["hint"] if name == "folder" else [])
    assert listing(here) == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "x.inrz",
            b"hello, this is no such file",
            "x.inrz: not an .inrz file: its first bytes are not the magic of the format",
        ),
        ("x.inrz", b"", "x.inrz: not an .inrz file"),
        ("x.md", b"# Notes", "the format of 'x.md' is unknown"),
        ("x.safetensors", b"hello, this is no such file", "'x.safetensors' is not an inr model"),
    ],
)
def test_inspect_reports_the_damage_of_a_file(here: Path, name: str, data: bytes, message: str) -> None:
    Path(name).write_bytes(data)
    result = invoke("inspect", name)
    assert result.exit_code == 3
    assert message in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("fit", "x.safetensors"), "'x.safetensors' is a model, expected a signal"),
        (("eval", "a.png", "x.safetensors"), "inr eval takes the signal last"),
        (("suggest", "x.inrz"), "inr decompress makes a signal of it"),
        (("fit", "a.png", "--steps", "many"), "invalid value for '--steps': expected a whole number"),
        (("fit", "a.png", "--field", "sirn"), "field is 'sirn' (did you mean 'siren'?), expected one of"),
    ],
)
def test_common_mistakes_are_refused_with_a_hint(picture: Path, args: tuple[str, ...], message: str) -> None:
    for name in ("x.safetensors", "x.inrz"):
        Path(name).write_bytes(b"")
    result = invoke(*args)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "output", ["folder", "nowhere/x.safetensors", "a.png/x.safetensors", "/proc/x.safetensors", "x.png"]
)
def test_impossible_outputs_are_found_before_the_work(picture: Path, here: Path, output: str) -> None:
    (here / "folder").mkdir()
    before = listing(here)
    result = invoke("fit", picture, *TINY, "--steps", "2", "-o", output, "--force")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: output ")
    assert listing(here) == before


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--set", "field.width=1000000000"), 2),
        (("--set", "field.width=65536", "--set", "field.depth=1024"), 4),
        (("--steps", "0"), 2),
        (("--lr", "nan"), 2),
        (("--set", "fit.lr=inf"), 2),
    ],
)
def test_extreme_settings_are_refused(picture: Path, here: Path, args: tuple[str, ...], code: int) -> None:
    before = listing(here)
    result = invoke("fit", picture, "--field", "siren", *args)
    assert result.exit_code == code, result.output
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert listing(here) == before


@pytest.mark.parametrize("view", [("--scale", "1e-300"), ("--crop", "0,0,1e-300,1e-300"), ("--scale", "1e-10")])
def test_a_rendering_of_nothing_is_refused(model: Path, here: Path, view: tuple[str, str]) -> None:
    before = listing(here)
    result = invoke("render", model, *view)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {view[0]} ")
    assert listing(here) == before


@pytest.mark.parametrize("damage", ["half", "json", "tensor", "text"])
def test_damaged_models(model: Path, here: Path, damage: str) -> None:
    data = model.read_bytes()
    model.write_bytes(
        {
            "half": data[: len(data) // 2],
            "json": data.replace(b"inr-model", b"inr-madel"),
            "tensor": data.replace(b"body.last.weight", b"body.last.wright"),
            "text": b"hello, this is a text file and no model\n",
        }[damage]
    )
    before = listing(here)
    result = invoke("render", model)
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("error: ")
    assert listing(here) == before


def test_log_messages_of_libraries_are_not_shown(tmp_path: Path) -> None:
    """tifffile logs every tag that it cannot read; users see only the line of this program."""
    import tifffile

    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8), metadata=None, resolution=(1, 1))
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHI", 282, 5, 1))
    data[at + 8 : at + 12] = struct.pack("<I", 2**30)  # the offset of a tag's value, far beyond the end
    path.write_bytes(data)
    done = subprocess.run([sys.executable, "-m", "inr_cli", "inspect", str(path)], capture_output=True, text=True)
    assert done.stderr == ""
    assert "5x4" in done.stdout
