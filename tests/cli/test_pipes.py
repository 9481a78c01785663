"""Pipes as inputs of every command: named ones, /dev/stdin, and <(...). Each is opened once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.core.errors import UnreadableError
from inr.fitting import Fit
from inr.signals import Source
from tests.cli.conftest import PROGRAM, TINY, document, invoke

STEPS = (*TINY, "--steps", "2")


@contextlib.contextmanager
def piped(name: str, data: bytes) -> Iterator[str]:
    """A named pipe, into which the data are written once, as soon as it is opened for reading."""
    os.mkfifo(name)
    opened: list[int] = []

    def write() -> None:
        opened.append(os.open(name, os.O_WRONLY))
        with contextlib.suppress(BrokenPipeError), os.fdopen(opened[0], "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield name
    finally:
        if not opened:  # nobody read it
            os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK))
        writer.join(5)
        os.unlink(name)


@contextlib.contextmanager
def substituted(data: bytes) -> Iterator[str]:
    """The name that a shell gives for <(...): that of an open pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
        writer.join(5)


@pytest.fixture(scope="session")
def packed(picture_bytes: bytes) -> bytes:
    picture = Source("a.png", data=picture_bytes)
    return inr.compress(picture, profile="weights", effort=1, verify=False, field={"width": 8, "depth": 1}).data


def test_signals(picture: Path, sound: Path) -> None:
    for path in (picture, sound):
        data = path.read_bytes()
        with piped("pipe" + path.suffix, data) as name:
            assert invoke("fit", name, *STEPS, "-o", "piped.safetensors", "-f").exit_code == 0
        with substituted(data) as name:
            result = invoke("fit", name, *STEPS, "-o", "substituted.safetensors", "-f")
            assert result.exit_code == 0, result.stderr
        invoke("fit", path, *STEPS, "-o", "file.safetensors", "-f")
        fits = [Fit.load(f"{name}.safetensors") for name in ("file", "piped", "substituted")]
        assert {json.dumps(fit.metrics) for fit in fits} == {json.dumps(fits[0].metrics)}


def test_arrays_of_any_size_are_read_into_memory_from_a_pipe(here: Path) -> None:
    np.save("a.npy", np.arange(60, dtype=np.float32).reshape(6, 10))
    with piped("pipe.npy", Path("a.npy").read_bytes()) as name:
        assert inr.load_signal(name).spec.shape == (6, 10)
    with substituted(Path("a.npy").read_bytes()) as name:
        assert inr.load_signal(name).kind == "array"


@pytest.mark.parametrize(
    "args",
    [
        ("render", "{model}", "-o", "b.png"),
        ("eval", "{model}", "a.png"),
        ("eval", "a.safetensors", "{picture}"),
        ("eval", "{model}", "{picture}"),
        ("inspect", "{model}"),
        ("inspect", "{picture}"),
        ("inspect", "{packed}"),
        ("decompress", "{packed}", "-o", "b.png"),
        ("decompress", "{packed}", "--to", "model", "-o", "b.safetensors"),
        ("export", "{model}", "-o", "b.html"),
        ("export", "{packed}", "-o", "b.html"),
        ("report", "{model}", "{packed}", "-o", "b.html"),
        ("report", "a.safetensors", "--signal", "{picture}", "-o", "b.html"),
        ("convert", "{model}", "--field", "siren", "--steps", "1", "-o", "b.safetensors", "--no-progress"),
        (
            "compress",
            "{picture}",
            "-o",
            "b.inrz",
            "--effort",
            "1",
            "--no-verify",
            "--profile",
            "weights",
            "--set",
            "field.width=8",
            "--set",
            "field.depth=1",
            "--no-progress",
        ),
        ("fit", "a.png", *STEPS, "--config", "{toml}", "-o", "b.safetensors"),
        ("fit", "a.png", "--no-progress", "--steps", "1", "--config", "{json}", "-o", "b.safetensors"),
        ("fit", "a.png", "--no-progress", "--steps", "1", "--init", "{model}", "-o", "b.safetensors"),
        ("learn", "{picture}", *STEPS, "-o", "b.safetensors"),
        ("suggest", "{picture}"),
        ("ntk", "{picture}", "--field", "siren", "--set", "field.width=8"),
    ],
    ids=lambda args: " ".join(args[:2]),
)
@pytest.mark.parametrize("is_named", [True, False])
def test_every_command(picture: Path, model: Path, packed: bytes, args: tuple[str, ...], is_named: bool) -> None:
    tcnn = {
        "encoding": {"otype": "HashGrid", "n_levels": 2, "log2_hashmap_size": 8},
        "network": {"otype": "FullyFusedMLP", "n_neurons": 16},
    }
    contents = {
        "{picture}": picture.read_bytes(),
        "{model}": model.read_bytes(),
        "{packed}": packed,
        "{toml}": b"[fit]\nseed = 5\n",
        "{json}": json.dumps(tcnn).encode(),
    }
    suffixes = {"{picture}": ".png", "{model}": ".safetensors", "{packed}": ".inrz", "{toml}": "", "{json}": ".json"}
    with contextlib.ExitStack() as stack:
        words = []
        for word in args:
            if word in contents:
                name, data = "pipe-" + word[1:-1] + suffixes[word], contents[word]
                word = stack.enter_context(piped(name, data) if is_named else substituted(data))
            words.append(word)
        result = invoke(*words)
    assert result.exit_code == 0, result.stderr


def test_settings_that_are_piped_are_taken(picture: Path) -> None:
    with substituted(b"[fit]\nseed = 5\nsteps = 1\n") as name:
        printed = document(invoke("fit", picture, *TINY, "--config", name, "--dry-run", "--json"))
    assert (printed["seed"], printed["fit"]["steps"]) == (5, 1)


@pytest.mark.slow
def test_in_a_shell(picture: Path, model: Path) -> None:
    inr_ = " ".join(f"'{word}'" for word in PROGRAM)
    fit = " ".join(STEPS)
    for line in (
        f"{inr_} fit <(cat a.png) {fit} -o b.safetensors -f",
        f"cat a.png | {inr_} fit /dev/stdin {fit} -o b.safetensors -f",
        f"{inr_} fit /dev/stdin {fit} -o b.safetensors -f < a.png",
        f"{inr_} render <(cat a.safetensors) -o /dev/stdout --format png -q > b.png && {inr_} inspect b.png",
        f"{inr_} render a.safetensors -o >(cat > c.png) --format png && sleep 1 && {inr_} inspect c.png",
    ):
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
        assert b"error" not in done.stderr


def test_nothing_else_gets_into_a_result_on_dev_stdout(model: Path) -> None:
    as_file = invoke("render", model, "-o", "b.png")
    result = invoke("render", model, "--format", "png", "-o", "/dev/stdout")
    assert result.exit_code == as_file.exit_code == 0
    assert result.stdout_bytes == Path("b.png").read_bytes()


def test_devices_are_refused_as_inputs(here: Path) -> None:
    for name in ("/dev/zero", "/dev/null", "/dev/full"):
        for args in (("fit", name, *STEPS), ("render", name), ("inspect", name), ("decompress", name)):
            result = invoke(*args)
            assert result.exit_code == 3, (args, result.stderr)
            assert "is a device" in result.stderr


def test_an_empty_pipe_and_a_closed_one_are_one_line(here: Path) -> None:
    with substituted(b"") as name, pytest.raises(UnreadableError, match="is empty"):
        Source.of(name)
    with pytest.raises(UnreadableError, match="no such file"):
        Source.of("/dev/fd/987")


def test_commands_that_read_inputs_twice_refuse_pipes(picture: Path) -> None:
    with piped("pipe.png", picture.read_bytes()) as name:
        result = invoke("batch", name, "-o", "out")
    assert result.exit_code == 2
    assert "is a pipe or device" in result.stderr
    assert not Path("out").exists()
    with substituted(picture.read_bytes()) as name:
        result = invoke("compress", picture, name, "-j", "2", "-o", "out")
    assert result.exit_code == 2
    assert "use -j 1" in result.stderr
