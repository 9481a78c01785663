"""`inr solve`: problems from files and from one line, what is written, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.solving.examples import EXAMPLES
from inr.solving.pictures.examples import picture_example
from tests.cli.conftest import document, invoke

QUICK = (
    "--set",
    "solve.features=80",
    "--set",
    "solve.scale=5",
    "--set",
    "solve.method=least_squares",
    "--threads",
    "1",
)
LINE = ("--equation", "lap(u) = -1", "--axes", "x=0:1,y=0:1", "--condition", "boundary: u = 0", *QUICK)


def test_examples_are_written_and_solved(here: Path) -> None:
    written = invoke("solve", "--examples")
    assert written.exit_code == 0
    files = {*EXAMPLES, *picture_example()}
    assert sorted(written.stdout.split()) == sorted(files)
    assert {path.name for path in here.iterdir()} == files
    assert invoke("solve", "--examples").exit_code == 2  # they exist
    result = invoke("solve", "poisson.toml", *QUICK, "--export", "u.npz", "--export", "u.vti", "--export", "u.png",
                    "--check", "fd=16")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "boundary 0 (built in)" in result.stdout
    assert "finite differences with 16 cells" in result.stdout
    with np.load("u.npz") as file:
        assert abs(file["u"][100, 100] - 1) < 1e-6
    assert invoke("inspect", "poisson.safetensors").exit_code == 0
    assert invoke("render", "poisson.safetensors", "-o", "u.npy").exit_code == 0
    assert abs(np.load("u.npy")[64, 64] - 1) < 1e-3
    assert invoke("export", "poisson.safetensors", "-o", "u.pt2").exit_code == 0


def test_a_line_and_json() -> None:
    result = invoke("solve", *LINE, "-o", "u.safetensors", "--set", "solve.target=0.5", "--json")
    assert result.exit_code == 0, result.stderr
    found = document(result)
    assert found["outcome"] == "done"
    assert found["errors"]["boundary"] == {"left": 0, "right": 0, "bottom": 0, "top": 0}
    assert found["stages"][0]["what"] == "least squares, scale 5"
    assert found["output"] == "u.safetensors"


def test_a_field_of_another_family(here: Path) -> None:
    texts = ("field.width=16", "field.depth=2", "field.activation.scale=2", "solve.points=100")
    settings = [part for text in texts for part in ("--set", text)]
    result = invoke("solve", *LINE[:6], "--field", "gauss", *settings, "--time", "1s", "--threads", "1",
                    "-o", "u.safetensors", "--export", "u.npz")  # fmt: skip
    assert result.exit_code == 1, result.stderr  # a second is not enough, and the field is written
    assert "target not reached" in result.stderr
    assert "boundary 0" not in result.stdout
    assert "gauss" in invoke("inspect", "u.safetensors").stdout
    assert invoke("render", "u.safetensors", "-o", "u.npy").exit_code == 0
    assert invoke("export", "u.safetensors", "-o", "u.onnx").exit_code == 0
    with np.load("u.npz") as file:
        assert np.abs(np.load("u.npy")[64, 64] - file["u"][100, 100]) < 0.01


def test_eigenvalues_of_a_line(here: Path) -> None:
    line = ("--equation", "-u_xx = E*u", "--axes", "x=0:1", "--condition", "boundary: u = 0", "--states", "2")
    result = invoke(
        "solve", *line, "--set", "solve.features=60", "--threads", "1", "-o", "u.safetensors", "--export", "u.png"
    )
    assert result.exit_code == 0, result.stderr
    assert "E1 = 9.8696044" in result.stdout
    assert "residual" not in result.stdout
    assert (here / "u.png").is_file()


def test_a_check_by_another_seed(here: Path) -> None:
    result = invoke("solve", *LINE, "--set", "solve.target=0.5", "--check", "seeds", "--json")
    assert result.exit_code == 0, result.stderr
    check = document(result)["check"]
    assert check["seed"] == 1
    assert 1e-6 < check["difference"] < 1e-2


def test_a_check_that_cannot_be_is_refused_before_any_work(here: Path) -> None:
    (here / "p.toml").write_text(EXAMPLES["wave.toml"])
    result = invoke("solve", "p.toml", "--check", "fd=64")
    assert (result.exit_code, [path.name for path in here.iterdir()]) == (2, ["p.toml"])
    assert "without time" in result.stderr


def test_a_missed_target_is_exit_code_1_and_the_file_is_written(here: Path) -> None:
    result = invoke("solve", *LINE, "-o", "u.safetensors")
    assert result.exit_code == 1
    assert "target not reached" in result.stderr
    assert (here / "u.safetensors").is_file()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "expected a problem file, a task with its pictures, or --equation"),
        (("poisson.toml", "--equation", "u_x = 1"), 2, "'poisson.toml' and --equation are both given"),
        (("none.toml",), 3, "'none.toml' cannot be read"),
        (("--equation", "lap(u) = -1"), 2, "0 axes"),
        ((*LINE[:2], "--axes", "x=0"), 2, "expected a form such as x=0:1,y=0:2*pi"),
        (("--equation", "u_xx = 1", "--axes", "x=0:l"), 2, "axis x, 'l' has the name l, expected numbers, pi and e"),
        (("--equation", "u_xx = 1", "--axes", "x=0:log(0)"), 2, "axis x, 'log(0)' has no value"),
        (("--equation", "d2u/dx2 = 0", *LINE[2:4]), 2, "derivatives are written u_x, u_xx"),
        ((*LINE[:4],), 2, 'no condition on side "left"'),
        ((*LINE[:4], "--condition", "u = 0"), 2, "expected SIDE: EQUATION"),
        ((*LINE[:4], "--condition", "boundary: u = nu"), 2, "condition 1, column 5: unknown name 'nu'"),
        ((*LINE, "--report", "-", "--export", "-"), 2, "2 outputs are -, and stdout takes one"),
        ((*LINE, "--check", "fem"), 2, "--check is 'fem', expected fd=N with a number of cells, or seeds"),
        ((*LINE, "--check", "fd=0"), 2, "fd is 0, expected an even number"),
        ((*LINE, "--export", "u.bmp"), 2, "has suffix '.bmp'"),
        ((*LINE, "--set", "fit.steps=3"), 2, "expected solve.KEY=VALUE"),
        ((*LINE, "--set", "solve.method=magic"), 2, "method is 'magic'"),
        ((*LINE, "--time", "soon"), 2, "expected a time"),
        ((*LINE, "--parameter", "k"), 2, "expected NAME=VALUE"),
        ((*LINE[:6], "--field", "hash_grid"), 2, "this 'hash_grid' field is smooth to order 0 only"),
        ((*LINE, "--field", "gauss"), 2, "method is 'least_squares', which is for the own networks of inr solve"),
        ((*LINE, "--field", "gaus"), 2, "gauss"),
        ((*LINE, "--set", "field.width=3"), 2, "--set field.* needs a field"),
        (
            ("--equation", "div(k*grad(u)) = -1", *LINE[2:], "--parameter", "k=1 + 9*heaviside(x - 0.5)"),
            2,
            "a coefficient jumps from",
        ),
        ((*LINE, "--states", "2"), 2, 'the equation has no eigenvalue "E"'),
        (("poisson.toml", "--states", "2"), 2, "are for --equation, and a file is given"),
    ],
)
def test_mistakes_are_one_line(args: tuple[str, ...], code: int, message: str) -> None:
    result = invoke("solve", *args)
    assert result.exit_code == code
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in result.stderr


def test_a_report_or_export_on_stdout_is_alone_there(here: Path) -> None:
    result = invoke("solve", *LINE, "--export", "-", "-o", "u.safetensors")
    assert result.stdout_bytes.startswith(b"PK")
    assert b"u.safetensors" not in result.stdout_bytes[-200:]
    assert "u.safetensors  residual" in result.stderr
    refused = invoke("solve", *LINE, "--report", "-", "--json")
    assert refused.exit_code == 2
    assert "both write to stdout" in refused.stdout + refused.stderr


def test_a_file_and_options_of_a_line_do_not_mix(here: Path) -> None:
    (here / "p.toml").write_text(EXAMPLES["poisson.toml"])
    assert "a file is given" in invoke("solve", "p.toml", "--axes", "x=0:1").stderr


def test_the_kernel_of_a_problem(here: Path) -> None:
    (here / "p.toml").write_text(EXAMPLES["poisson.toml"])
    result = invoke("ntk", "p.toml", "--points", "32")
    assert result.exit_code == 0, result.stderr
    assert "All conditions are built in" in result.stdout
    assert document(invoke("ntk", "p.toml", "--points", "32", "--json"))["weights"] == {"equation": 1}
    refused = invoke("ntk", "p.toml", "--field", "siren")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: --field cannot be used with a problem of inr solve\n",
    )
    several = invoke("ntk", "p.toml", "--rehearse", "10%", "--no-trials", "--mode", "track", "--seed", "0")
    assert several.exit_code == 2
    assert "--seed and --rehearse and --no-trials and --mode cannot be used with a problem" in several.stderr


def test_a_problem_names_what_is_written_and_compared(here: Path) -> None:
    text = EXAMPLES["poisson.toml"].partition("[reference]")[0]
    Path("p.toml").write_text(f'{text}\n[reference]\nsolver = "fd"\nn = 16\n[output]\nnpz = "u.npz"\n')
    result = invoke("solve", "p.toml", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "finite differences with 16 cells" in result.stdout
    assert Path("u.npz").exists()
    again = invoke("solve", "p.toml", "-o", "other.safetensors", *QUICK)
    assert again.exit_code == 2
    assert "u.npz" in again.stderr
