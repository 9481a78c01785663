"""`inr ntk`: reports of signals and models, comparisons, the log of a run, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import inr
from inr.fitting.model_file import to_bytes
from tests.cli.conftest import document, invoke, picture_size, program

SMALL = (
    "--set", "field.width=16", "--set", "field.depth=2", "--steps", "20", "--points", "32", "--threads", "1",
    "--no-progress",
)  # fmt: skip
ONE = ("--field", "siren", *SMALL)


def test_as_a_program(picture: Path, here: Path) -> None:
    done = program("ntk", "a.png", *ONE, "--no-trials", "--figure", "f.png", cwd=here)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert text.startswith("siren on a.png, after 2 steps: 371 parameters, 18 steps to come")
    for part in ("effective rank", "roll-off", "trace by layer", "cycles/sample", "of the target's energy"):
        assert part in text
    assert text.rstrip().endswith("figure: f.png")
    assert picture_size("f.png")[0] == 1760


def test_json_and_quiet(picture: Path) -> None:
    printed = document(invoke("ntk", picture, *ONE, "--no-trials", "--json", "--seed", "3"))
    assert (printed["schema"], printed["inr_ntk"], printed["field"], printed["mode"]) == (
        "inr.ntk",
        1,
        "siren",
        "quick",
    )
    assert (printed["n"], printed["o"], printed["p"], printed["figure"]) == (32, 3, 371, None)
    quiet = invoke("ntk", picture, *ONE, "--no-trials", "--quiet", "--seed", "3")
    assert float(quiet.stdout) == pytest.approx(printed["verdict"]["unlearned"], rel=1e-5, abs=1e-12)


def test_full_has_what_was_predicted_and_what_happened(picture: Path) -> None:
    shown = invoke("ntk", picture, *ONE, "--mode", "full", "--no-trials", "-o", "f.svg")
    assert shown.exit_code == 0, shown.output
    assert "predicted gd" in shown.stdout
    assert "training Jacobian" in shown.stdout
    assert Path("f.svg").read_bytes().startswith(b"<?xml")


def test_progress_goes_to_stderr(picture: Path) -> None:
    args = [a for a in ONE if a != "--no-progress"]
    shown = invoke("ntk", picture, *args)
    assert "a matrix of 96 rows" in shown.stderr
    assert "rehearsal of 2 steps" in shown.stderr
    assert "trying" not in shown.stdout


def test_several_families(picture: Path) -> None:
    args = ("--compare", "siren,mlp", *SMALL, "-o", "f.png")
    shown = invoke("ntk", picture, *args)
    assert shown.exit_code == 0, shown.output
    header, *rows = shown.stdout.splitlines()
    assert header.split()[:2] == ["field", "parameters"]
    assert {row.split()[0] for row in rows[:2]} == {"siren", "mlp"}
    printed = document(invoke("ntk", picture, *args, "--force", "--json"))
    assert (printed["schema"], [f["field"] for f in printed["fields"]]) == ("inr.ntk_compare", ["siren", "mlp"])


def test_a_model_is_compared_with_its_start(model: Path, picture: Path) -> None:
    printed = document(invoke("ntk", model, "--signal", picture, "--points", "32", "--json"))
    assert (printed["state"], printed["rehearsed"], printed["steps"]) == ("trained", 60, 60)
    assert printed["drift"]["relative"] > 0


def tracked(model: Path, log: object) -> Path:
    fit = inr.load(model)
    path = Path("tracked.safetensors")
    path.write_bytes(to_bytes(fit.field.state_dict(), fit.document() | {"ntk_track": log}))
    return path


LOOKS = [
    {"step": 0, "seconds": 0.0, "loss": 1.0, "band_residual": [1.0, 1.0], "kappa": [9.0, 0.1], "cka": 1.0},
    {"step": 60, "seconds": 2.0, "loss": 0.1, "band_residual": [0.01, 0.5], "kappa": [9.0, 0.5], "cka": 0.7},
]


def test_the_log_of_a_run_is_shown(model: Path) -> None:
    path = tracked(model, {"edges": [[0.0, 0.0], [0.1, 0.5]], "looks": LOOKS})
    shown = invoke("ntk", path, "--mode", "track", "-o", "t.png")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[2].split() == ["60", "2.0", "0.1", "0.700", "1", "%", "50", "%"]
    assert picture_size("t.png")[0] == 1760
    printed = document(invoke("ntk", path, "--mode", "track", "--json"))
    assert [look["cka"] for look in printed["looks"]] == [1.0, 0.7]


def test_an_empty_log_is_one_clear_error(model: Path) -> None:
    result = invoke("ntk", tracked(model, {"looks": []}), "--mode", "track")
    assert (result.exit_code, result.stderr.count("error:")) == (2, 1)
    assert "is empty, as the fit was too short" in result.stderr


def test_a_damaged_log_is_reported(model: Path) -> None:
    result = invoke("ntk", tracked(model, {"looks": [{"step": "many"}]}), "--mode", "track")
    assert (result.exit_code, result.stderr.count("error:")) == (3, 1)
    assert "has an invalid header" in result.stderr


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("a.png", "--mode", "quik"), 2, "unknown mode 'quik' (did you mean 'quick'?)"),
        (("a.safetensors",), 2, "a model needs --signal, the signal that it was fitted to"),
        (("a.safetensors", "--mode", "track"), 2, "has no log of its tangent kernel"),
        (("a.png", "--mode", "track"), 2, "is not a model"),
        (("a.png", "--signal", "a.png"), 2, "--signal is only for a model"),
        (("a.safetensors", "--signal", "a.png", "--field", "siren"), 2, "--field cannot be used with a model"),
        (("a.safetensors", "--signal", "a.png", "--set", "field.width=3"), 2, "the field of a model cannot be changed"),
        (("a.safetensors", "--signal", "b.wav"), 3, "no such file"),
        (("a.png", "--field", "sirn"), 2, "did you mean 'siren'?"),
        (("a.png", "--compare", "siren,siren"), 2, "expected different families"),
        (("a.png", "--compare", "siren", "--field", "mlp"), 2, "--compare and --field are both given"),
        (("a.png", "--points", "1"), 2, "--points is 1"),
        (("a.png", "--points", "1000000"), 2, "use at most"),
        (("a.png", "--rehearse", "120%"), 2, "--rehearse is '120%', expected a number of steps, or a percentage"),
        (("a.png", "--rehearse", "-3"), 2, "--rehearse is '-3'"),
        (("a.png", "--rehearse", "0.1"), 2, "--rehearse is '0.1'"),
        (("a.safetensors", "--signal", "a.png", "--rehearse", "10%"), 2, "only for a new field"),
        (("a.png", "-o", "f.txt"), 2, "has suffix '.txt'"),
        (("none.png",), 3, "no such file"),
    ],
)
def test_ends_clearly(model: Path, picture: Path, args: tuple[str, ...], code: int, message: str) -> None:
    result = invoke("ntk", *args, "--no-progress")
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.count("error:") == 1
    assert "Traceback" not in result.stderr


def test_a_model_without_values_is_refused(tmp_path: Path) -> None:
    cloud = Path("a.xyz")
    cloud.write_text("".join(f"{x} {y} 0 0 0 1\n" for x in range(8) for y in range(8)))
    result = invoke("ntk", cloud, "--kind", "points", *ONE)
    assert result.exit_code == 2
    assert "has no values that the kernel could be compared with" in result.stderr


def test_a_rehearsal_of_the_whole_run(picture: Path) -> None:
    result = invoke("ntk", picture, *ONE, "--rehearse", "30%", "--no-trials", "--no-progress")
    assert result.exit_code == 0, result.stderr
    assert "9 of 10 within" in result.stdout
    assert "never" not in result.stdout
    printed = document(invoke("ntk", picture, *ONE, "--rehearse", "30%", "--no-trials", "--json"))
    assert printed["rehearsal"]["share"] == 0.3
    assert printed["rehearsal"]["steps"][-1] == 20
    assert all(b["left_low"] <= b["left_adam"] <= b["left_high"] for b in printed["bands"])
    assert all(b["half_step"] is None for b in printed["bands"] if not b["is_learned"])


NET = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x):
        assert x.min() >= 0
        return self.layer(x)


number = 3
"""


def test_a_torch_module(picture: Path, here: Path) -> None:
    (here / "net.py").write_text(NET)
    wants = ("--signal", picture, "--steps", "20", "--points", "16", "--no-progress")
    printed = document(invoke("ntk", "net.py:model", *wants, "--json"))
    assert (printed["field"], printed["p"], printed["state"]) == ("Sequential", 99, "start")
    assert invoke("ntk", "net.py:Net", *wants, "--set", "field.low=0").exit_code == 0


def test_torch_modules_that_are_refused(picture: Path, here: Path) -> None:
    (here / "net.py").write_text(NET)
    (here / "bad.py").write_text("import missing_package")
    of = ("--signal", str(picture))
    for args, code, words in (
        (("net.py:modle", *of), 2, "net.py has no name 'modle' (did you mean 'model'?)"),
        (("net.py:number", *of), 2, "net.py:number is a int, expected a torch module"),
        (("net.py:Net", *of), 2, "the module Net failed on 3 points of 2 coordinates: AssertionError"),
        (("none.py:model", *of), 3, "none.py: no such file"),
        (("bad.py:model", *of), 3, "bad.py failed: ModuleNotFoundError: No module named 'missing_package'"),
        (("net.py:model",), 2, "a torch module needs --signal"),
        (("net.py:model", *of, "--field", "siren"), 2, "a torch module needs --signal, and cannot be used with"),
        (("net.py:model", *of, "--set", "field.lo=0"), 2, "unknown setting 'field.lo' (did you mean 'low'?)"),
    ):
        shown = invoke("ntk", *args)
        assert shown.exit_code == code, shown.output
        assert words in shown.stderr
