"""`inr convert`, `compare` and `learn`; and `inr fit --init` and `--fresh`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from tests.cli.conftest import TINY, document, invoke, picture_size, program

SMALL = ("--set", "field.width=16", "--set", "field.depth=2", "--threads", "1", "--no-progress")


@pytest.mark.slow
def test_convert_as_a_program(model: Path, here: Path) -> None:
    done = program(
        "convert", "a.safetensors", "--field", "mlp", *SMALL, "--steps", "40", "-o", "b.safetensors", cwd=here
    )
    assert done.returncode == 0, done.stderr
    assert b"dB PSNR to a.safetensors" in done.stdout
    assert b"siren with 371 parameters to mlp" in done.stderr
    assert invoke("render", "b.safetensors", "-o", "b.png").exit_code == 0
    assert picture_size("b.png") == (16, 12)
    shown = invoke("inspect", "b.safetensors").stdout
    assert "origin   distilled from a.safetensors (siren, of a.png)" in shown
    assert "fidelity" in shown


def test_convert_reports_its_fidelity(model: Path, picture: Path) -> None:
    printed = document(invoke("convert", model, "--field", "siren", *SMALL, "--steps", "30", "--seed", "4", "--json"))
    assert (printed["schema"], printed["outcome"], printed["fit"]["seed"]) == ("inr.convert", "done", 4)
    assert printed["output"] == "a.siren.safetensors"
    student, teacher = inr.load(printed["output"]), inr.load(model)
    error = np.mean((student.render()[0] - teacher.render()[0]) ** 2)
    assert printed["fidelity"]["psnr_db"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert "psnr_db" in invoke("eval", printed["output"], picture).stdout


def test_convert_fits_features_first(model: Path) -> None:
    args = ("--field", "mlp", *SMALL, "--steps", "10", "--features", "0.5", "--json")
    printed = document(invoke("convert", model, *args))
    assert (printed["features"], printed["steps"], printed["outcome"]) == (0.5, 10, "done")
    assert inr.load(printed["output"]).spec.d_out == inr.load(model).spec.d_out


def test_a_converted_shape_can_be_meshed(shape_model: Path) -> None:
    smooth = ("--set", "field.width=32", "--set", "field.activation.omega=8", "--set", "field.depth=2")
    args = ("--field", "siren", *smooth, "--set", "fit.lr=0.005", "--set", "fit.batch=2048", "--steps", "200")
    done = invoke("convert", shape_model, *args, "--no-progress", "-o", "t.safetensors")
    assert done.exit_code == 0, done.output
    assert " IOU to torus.safetensors" in done.stdout
    assert invoke("mesh", "t.safetensors", "--resolution", "24", "-o", "t.ply").exit_code == 0


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("a.safetensors",), 2, "missing option '--field'"),
        (("a.safetensors", "--field", "sirn"), 2, "did you mean 'siren'?"),
        (("a.png", "--field", "siren"), 3, "is not an inr model"),
        (("none.safetensors", "--field", "siren"), 3, "no such file"),
        (("a.safetensors", "--field", "siren", "-o", "a.safetensors"), 2, "exists"),
        (("a.safetensors", "--field", "siren", *SMALL, "--stages", "0"), 2, "stages is 0"),
        (("a.safetensors", "--field", "siren", *SMALL, "--features", "1"), 2, "features is 1"),
        (("a.safetensors", "--field", "siren", *SMALL, "--steps", "2", "--target-psnr", "90"), 1, "were not reached"),
    ],
)
def test_convert_ends_clearly(model: Path, picture: Path, args: tuple[str, ...], code: int, message: str) -> None:
    result = invoke("convert", *args)
    assert result.exit_code == code
    assert message in result.stderr


@pytest.mark.slow
def test_compare_as_a_program(picture: Path, here: Path) -> None:
    args = (
        "--fields",
        "siren,mlp,hash_grid",
        "--budget",
        "params=250",
        "--steps",
        "5",
        "-o",
        "f.png",
        "--threads",
        "1",
    )
    done = program("compare", "a.png", *args, cwd=here)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["#", "field", "PSNR", "dB", "parameters", "file", "time", "steps", "chosen", "size"]
    assert sorted(line.split()[1] for line in lines[1:3]) == ["mlp", "siren"]
    assert lines[3] == "figure: f.png"
    assert b"hash_grid was not compared: field 'hash_grid' has more than 250 parameters" in done.stderr
    assert picture_size("f.png")[0] > 1500


def test_compare_in_json_and_quiet(picture: Path) -> None:
    args = ("compare", picture, "--fields", "mlp,siren", "--budget", "params=700", "--steps", "4", "--no-progress")
    printed = document(invoke(*args, "--json"))
    assert printed["budget"] == {"params": 700, "time_s": None, "steps": 4}
    assert [row["rank"] for row in printed["fields"]] == [1, 2]
    assert printed["fields"][0]["metrics"]["psnr_db"] >= printed["fields"][1]["metrics"]["psnr_db"]
    assert all(row["curve"][-1]["step"] == 4 for row in printed["fields"])
    assert invoke(*args, "-q").stdout.split() == [row["field"] for row in printed["fields"]]


def test_compare_with_intrinsic_dimensions(picture: Path) -> None:
    args = ("compare", picture, "--fields", "mlp,polyharmonic", "--budget", "params=200", "--steps", "3")
    done = invoke(*args, "--intrinsic", "0.5", "--no-progress")
    assert done.stdout.splitlines()[0].split()[-1] == "dimensions"
    assert "polyharmonic has no intrinsic dimension" in done.stderr
    rows = {row["field"]: row for row in document(invoke(*args, "--intrinsic", "0.5", "--json"))["fields"]}
    found = rows["mlp"]["intrinsic"]
    assert 1 <= found["dimensions"] <= rows["mlp"]["n_params"]
    assert found["quality"] >= found["target"] == 0.5 * rows["mlp"]["metrics"]["psnr_db"]
    assert "closed form" in rows["polyharmonic"]["intrinsic"]["refused"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--intrinsic", "1.5"), "--intrinsic is 1.5, expected a number between 0 and 1"),
        (("--fields", "siren,sirn"), "did you mean 'siren'?"),
        (("--fields", "siren,siren"), "expected different families"),
        (("--budget", "parms=3"), "expected params=50000 or time=30s"),
        (("--budget", "time=soon"), "expected a time"),
        (("--budget", "params=0"), "expected at least 1"),
        (("-o", "figure.gif"), "expected one of .png .svg .pdf"),
    ],
)
def test_compare_refuses_before_it_fits(picture: Path, args: tuple[str, ...], message: str) -> None:
    result = invoke("compare", picture, *args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_learn_then_fit_from_it(picture: Path, here: Path) -> None:
    (here / "class").mkdir()
    for i in range(3):
        pixels = np.asarray(Image.open(picture))[:, i:]
        Image.fromarray(pixels).save(here / "class" / f"{i}.png")
    (here / "class" / "readme.md").write_text("not a signal")
    done = program("learn", "class", *SMALL, "--steps", "30", "-o", "i.safetensors", cwd=here)
    assert done.returncode == 0, done.stderr
    assert b"maml on 3 signals of kind image: 30 outer steps" in done.stderr
    assert "an initialisation, learned by maml from 3 signals" in invoke("inspect", "i.safetensors").stdout
    common = ("--steps", "5", "--no-progress", "--json")
    learned = document(invoke("fit", picture, "--init", "i.safetensors", "-o", "l.safetensors", *common))
    assert learned["field"]["width"] == 16  # the file holds its settings
    fresh = document(invoke("fit", picture, *TINY, *common, "-o", "r.safetensors"))
    assert learned["metrics"]["psnr_db"] > fresh["metrics"]["psnr_db"]
    again = invoke("fit", picture, "--init", "i.safetensors", "--set", "field.width=8", "--steps", "1")
    assert again.exit_code == 2
    assert "'i.safetensors' does not fit" in again.stderr
    assert len(again.stderr.splitlines()) == 2


def test_learn_refuses_what_is_mixed(picture: Path, sound: Path, here: Path) -> None:
    Image.open(picture).convert("L").save("grey.png")
    mixed = invoke("learn", picture, "grey.png", *SMALL)
    assert (mixed.exit_code, "'grey.png' has number of channels 1, but 'a.png' has 3" in mixed.stderr) == (2, True)
    kinds = invoke("learn", picture, sound, *SMALL)
    assert "'tone.wav' has kind audio" in kinds.stderr
    (here / "empty").mkdir()
    assert invoke("learn", "empty").exit_code == 3
    wrong = invoke("learn", picture, "--method", "mamal", "--json")
    assert "did you mean 'maml'" in json.loads(wrong.stderr)["problems"][0]


def test_fresh_reports_what_it_chose(picture: Path) -> None:
    shutil.copy(picture, "b.png")
    args = ("fit", "b.png", *TINY, "--steps", "1", "--json")
    result = invoke(*args, "--fresh", "activation.omega=5,40")
    assert result.exit_code == 0, result.stderr
    chosen = document(result)["field"]["activation"]
    assert f"fresh: field.activation.omega={chosen['omega']:g} is nearest" in result.stderr
    assert chosen["omega"] in (5, 40)
    assert chosen["omega_first"] == chosen["omega"]
    both = invoke(*args, "--fresh", "auto", "--init", "b.safetensors", "-f")
    assert (both.exit_code, "--init and --fresh are both given" in both.stderr) == (2, True)
