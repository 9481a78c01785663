"""The command on the page makes the same file again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

import inr
from inr.report.reproduce import command_of, settings_of
from tests.cli.conftest import here, invoke, picture, picture_bytes  # noqa: F401  fixtures

QUIET = ("--threads", "1", "--no-progress", "-q", "--device", "cpu")


@pytest.mark.parametrize(
    "words",
    [
        ("--field", "siren", "--set", "field.width=16", "--set", "field.depth=2", "--steps", "5", "--seed", "3"),
        (
            "--field", "mlp", "--set", "field.encoding=random_fourier", "--set", "field.encoding.n_frequencies=8",
            "--set", "field.encoding.sigma=3.5", "--set", "field.width=16", "--steps", "4", "--lr", "0.01",
            "--set", "fit.schedule=cosine", "--set", "fit.clip=1", "--batch", "64",
        ),
        ("--steps", "3", "--set", "field.encoding.levels=2", "--set", "field.encoding.finest=9,7"),
        ("--field", "siren", "--steps", "5", "--set", "field.width=16", "--set", "fit.loss=l1", "--set", "fit.ema=0.9"),
        ("--field", "siren", "--recipe", "paper", "--steps", "5", "--set", "field.width=16"),
    ],
)  # fmt: skip
def test_the_command_gives_the_same_bytes(words: Sequence[str], picture: Path) -> None:  # noqa: F811
    assert invoke("fit", picture, "-o", "m.safetensors", *words, *QUIET).exit_code == 0
    fit = inr.load("m.safetensors")
    command = command_of(fit, "again.safetensors")
    assert command is not None
    program, name, *rest = shlex.split(command)
    assert (program, name) == ("inr", "fit")
    done = invoke("fit", *rest, *QUIET)
    assert done.exit_code == 0, done.output
    assert Path("again.safetensors").read_bytes() == Path("m.safetensors").read_bytes()


def test_all_settings_give_the_same_bytes(picture: Path) -> None:  # noqa: F811
    words = ("--field", "siren", "--set", "field.width=16", "--steps", "3", "--set", "fit.schedule=cosine")
    assert invoke("fit", picture, "-o", "m.safetensors", *words, *QUIET).exit_code == 0
    Path("s.toml").write_text(settings_of(inr.load("m.safetensors")))
    done = invoke("fit", picture, "--config", "s.toml", "-o", "again.safetensors", *QUIET)
    assert done.exit_code == 0, done.output
    assert Path("again.safetensors").read_bytes() == Path("m.safetensors").read_bytes()


def test_defaults_are_not_repeated(picture: Path) -> None:  # noqa: F811
    signal = inr.load_signal(picture)
    fit = inr.fit(signal, {"type": "siren", "width": 16}, {"steps": 1}, device="cpu")
    assert command_of(fit, "m.safetensors") == (
        "inr fit a.png -o m.safetensors --field siren --set field.width=16 --steps 1"
    )


def test_the_nearer_recipe_is_named(picture: Path) -> None:  # noqa: F811
    signal, field = inr.load_signal(picture), {"type": "siren", "width": 16}
    fit = inr.fit(signal, field, {"steps": 1}, recipe="paper", device="cpu")
    command = command_of(fit, "m.safetensors")
    assert command == "inr fit a.png -o m.safetensors --field siren --set field.width=16 --recipe paper --steps 1"


def test_a_fit_of_another_model_has_no_command(picture: Path) -> None:  # noqa: F811
    fit = inr.fit(picture, {"type": "siren", "width": 16}, {"steps": 1}, device="cpu")
    fit.save("m.safetensors")
    done = invoke("convert", "m.safetensors", "--field", "mlp", "--set", "field.width=8", "--steps", "1", "-o",
                  "n.safetensors", "--threads", "1", "-q", "--no-progress")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert command_of(inr.load("n.safetensors"), "x.safetensors") is None


def test_a_started_fit_names_its_start(picture: Path) -> None:  # noqa: F811
    tiny = ("--field", "siren", "--set", "field.width=16", "--steps", "1")
    assert invoke("fit", picture, "-o", "m.safetensors", *tiny, *QUIET).exit_code == 0
    done = invoke("fit", picture, "-o", "n.safetensors", "--init", "m.safetensors", "--steps", "2", *QUIET)
    assert done.exit_code == 0, done.output
    command = command_of(inr.load("n.safetensors"), "again.safetensors")
    assert command is not None
    assert "--init m.safetensors" in command
    assert invoke(*shlex.split(command)[1:], *QUIET).exit_code == 0
    assert Path("again.safetensors").read_bytes() == Path("n.safetensors").read_bytes()
