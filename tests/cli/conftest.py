"""Small inputs, models fitted by the command line, and two ways to run it: in this process, or as a program."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import typer
from inr_cli.main import app
from PIL import Image
from typer.testing import CliRunner, Result

TINY = ("--field", "siren", "--set", "field.width=16", "--set", "field.depth=2", "--threads", "1", "--no-progress")
COMMAND: Any = typer.main.get_command(app)
"""Made once: the runner would make all commands from their functions for every call, which takes 0.1 s."""
PROGRAM = (sys.executable, "-c", "from inr_cli.main import run; run()")


def invoke(*args: str | Path, stdin: bytes = b"") -> Result:
    """Run a command in this process."""
    with mock.patch("typer.testing._get_command", return_value=COMMAND):
        return CliRunner().invoke(app, [str(a) for a in args], input=stdin)


def program(
    *args: str | Path, stdin: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a program. env: added to the environment."""
    command = [*PROGRAM, *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=os.environ | (env or {}), check=False)


def document(result: Result) -> Any:
    """The JSON document on stdout, which must hold nothing else."""
    return json.loads(result.stdout)


def picture_size(file: Path | str | io.BytesIO) -> tuple[int, int]:
    with Image.open(file) as opened:
        return opened.size


def listing(folder: Path) -> Sequence[tuple[str, int]]:
    return sorted((str(p.relative_to(folder)), p.stat().st_mtime_ns) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in its own empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def picture_bytes() -> bytes:
    y, x = np.mgrid[0:12, 0:16]
    pixels = np.stack([x * 15, y * 20, (x + y) * 8], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()


@pytest.fixture
def picture(here: Path, picture_bytes: bytes) -> Path:
    path = here / "a.png"
    path.write_bytes(picture_bytes)
    return path


@pytest.fixture
def sound(here: Path) -> Path:
    path = here / "tone.wav"
    samples = (20000 * np.sin(np.arange(400) / 8)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(4000)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, picture_bytes: bytes) -> dict[str, bytes]:
    """Model files by kind: image (12x16), audio (1 s at 8 kHz), shape (a torus)."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "a.png").write_bytes(picture_bytes)
    smooth = ("--set", "field.width=32", "--set", "field.activation.omega=8", "--set", "fit.schedule=exponential")
    inputs: dict[str, tuple[str | Path, ...]] = {
        "image": (folder / "a.png", "--steps", "60"),
        "audio": ("analytic:chirp", "--steps", "5"),
        "shape": ("analytic:torus", "--steps", "300", "--batch", "2048", "--lr", "0.005", *smooth),
    }
    for kind, args in inputs.items():
        result = invoke("fit", *TINY, *args, "-o", folder / f"{kind}.safetensors")
        assert result.exit_code == 0, result.output
    return {kind: (folder / f"{kind}.safetensors").read_bytes() for kind in inputs}


@pytest.fixture
def model(here: Path, models: dict[str, bytes]) -> Path:
    path = here / "a.safetensors"
    path.write_bytes(models["image"])
    return path


@pytest.fixture
def sound_model(here: Path, models: dict[str, bytes]) -> Path:
    path = here / "chirp.safetensors"
    path.write_bytes(models["audio"])
    return path


@pytest.fixture(scope="session")
def compressed_bytes(tmp_path_factory: pytest.TempPathFactory, models: dict[str, bytes]) -> bytes:
    """The picture's model as an .inrz file."""
    folder = tmp_path_factory.mktemp("compressed")
    (folder / "a.safetensors").write_bytes(models["image"])
    result = invoke("compress", folder / "a.safetensors", "-o", folder / "a.inrz", "--effort", "1", "--no-verify")
    assert result.exit_code == 0, result.output
    return (folder / "a.inrz").read_bytes()


@pytest.fixture
def compressed(here: Path, compressed_bytes: bytes) -> Path:
    path = here / "a.inrz"
    path.write_bytes(compressed_bytes)
    return path


@pytest.fixture
def shape_model(here: Path, models: dict[str, bytes]) -> Path:
    path = here / "torus.safetensors"
    path.write_bytes(models["shape"])
    return path
