"""`inr inspect`, `fields`, `doctor`, `demo`, and the help."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from inr_cli.main import app
from typer.main import get_command

import inr
from tests.cli.conftest import TINY, document, invoke, listing, program


def test_inspect_a_model(model: Path) -> None:
    result = invoke("inspect", model)
    assert result.exit_code == 0
    for word in ("siren, 371 parameters", "image 16x12, 3 channels, from a.png", "dB PSNR", "body.last.weight"):
        assert word in result.stdout
    entry = document(invoke("inspect", model, "--json"))["files"][0]
    assert (entry["what"], entry["n_params"], entry["signal"]["kind"]) == ("model", 371, "image")
    assert sum(np.prod(t["shape"]) for t in entry["tensors"]) == 371


def test_inspect_reads_no_more_than_the_header(model: Path) -> None:
    """The tensors are replaced by a hole of the same size."""
    whole = model.read_bytes()
    (n,) = struct.unpack("<Q", whole[:8])
    with model.open("wb") as file:
        file.write(whole[: 8 + n])
        file.truncate(len(whole))
    assert invoke("inspect", model).exit_code == 0


def test_inspect_goes_on_and_ends_with_the_worst_code(model: Path, picture: Path, sound: Path) -> None:
    np.save("x.npy", np.zeros((3, 4), np.float32))
    Path("m.ply").write_text("ply\nformat ascii 1.0\nelement vertex 8\nelement face 12\nend_header\n")
    Path("m.obj").write_text("# cube\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    result = invoke("inspect", "missing", picture, sound, "x.npy", "m.ply", "m.obj", model)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert f"{picture}: picture 16x12 RGB (png), {picture.stat().st_size} B" in lines
    assert f"{sound}: sound 0.1 s at 4000 Hz, 1 channels, PCM_16 (wav), 844 B" in lines
    assert "x.npy: array 3x4 float32 (npy), 176 B" in lines
    assert f"m.ply: mesh 8 vertices, 12 faces (ply), {Path('m.ply').stat().st_size} B" in lines
    assert any(line.startswith("m.obj: mesh (obj)") for line in lines)


def test_inspect_a_checkpoint(picture: Path) -> None:
    invoke("fit", picture, *TINY, "--steps", "4", "--save-every", "2")
    entry = document(invoke("inspect", "a.checkpoint/checkpoint.safetensors", "--json"))["files"][0]
    assert (entry["what"], entry["n_params"], entry["steps"]) == ("checkpoint", 371, 4)


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_inspect_a_truncated_model(model: Path, keep: int) -> None:
    model.write_bytes(model.read_bytes()[:keep])
    result = invoke("inspect", model)
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")


def test_fields_lists_families_and_the_settings_of_one() -> None:
    names = set(document(invoke("fields", "--json"))["fields"])
    assert {"siren", "hash_grid", "mlp"} <= names
    assert "arXiv:2006.09661" in invoke("fields").stdout
    shown = invoke("fields", "siren").stdout
    assert "field.activation.omega " in shown
    assert "(>= 1, <= 65536)" in shown
    said = document(invoke("fields", "siren", "--json"))
    assert said["json_schema"]["properties"]["width"]["default"] == 256
    assert "omega" in said["slots"]["activation"]["sine"]["properties"]


def test_every_setting_that_fields_shows_can_be_set(picture: Path) -> None:
    for name in document(invoke("fields", "--json"))["fields"]:
        keys = invoke("fields", name, "-q").stdout.split()
        config = document(invoke("fit", picture, "--field", name, "--dry-run", "--json"))["field"]
        for key in keys:
            node = config
            for part in key.split(".")[1:]:
                assert part in node, key
                node = node[part]


def test_fields_suggests_the_nearest() -> None:
    result = invoke("fields", "sirne")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: unknown field 'sirne' (did you mean 'siren'?)",
    )


def test_doctor() -> None:
    assert "hash_grid" in invoke("doctor").stdout
    said = document(invoke("doctor", "--json"))
    assert said["inr"] == inr.__version__
    assert {row["backend"] for row in said["kernels"]} >= {"reference", "cpu"}
    assert said["optional"]["onnx"] in ("absent", "present") or said["optional"]["onnx"][0].isdigit()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ModuleNotFoundError(\"No module named 'triton'\", name='triton')", "absent"),
        ("import a_part_that_is_not_here", "broken: ModuleNotFoundError: No module named 'a_part_that_is_not_here'"),
        ("raise OSError('libcuda.so.1 is missing\\nin two lines')", "broken: OSError: libcuda.so.1 is missing"),
        ("raise SystemError", "broken: SystemError: "),
    ],
)
def test_doctor_says_that_triton_is_absent_or_broken_and_nothing_else_meets_it(
    here: Path, text: str, said: str
) -> None:
    """A package of that name stands before the installed one, and counts how often it is imported."""
    (here / "triton").mkdir()
    count = "open('imports', 'a').write('x')\n"
    (here / "triton" / "__init__.py").write_text(count + text)
    doctor = program("doctor", "--json", "--device", "cpu", env={"PYTHONPATH": str(here)})
    assert doctor.returncode == 0, doctor.stderr
    found = json.loads(doctor.stdout)
    assert found["optional"]["triton"] == said
    rows = [row for row in found["kernels"] if row["backend"] == "cuda"]
    assert {row["op"] for row in rows} >= {"hash_grid", "relu_mlp", "sine_mlp", "sine", "kernel_sum", "context_rate"}
    for row in rows:
        assert not row["is_usable"]
        assert "the package 'triton' can not be imported" in row["reasons"][0]
    Path("imports").unlink()
    fitted = program(
        "fit", "analytic:chirp", *TINY, "--steps", "2", "-o", "a.safetensors", env={"PYTHONPATH": str(here)}
    )
    assert fitted.returncode == 0, fitted.stderr
    assert not Path("imports").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rendering"), [("sound", "wav"), ("image", "png")])
def test_demo(name: str, rendering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from inr_cli import demo

    quick = dataclasses.replace(demo.DEMOS[name], settings={"steps": 2, "batch": 512})
    monkeypatch.setitem(demo.DEMOS, name, quick)
    result = invoke("demo", name)
    assert result.exit_code == 0
    assert sorted(p.name for p in Path().iterdir()) == sorted([f"demo-{name}.{rendering}", f"demo-{name}.safetensors"])
    assert invoke("demo", name).exit_code == 2


def test_demo_refuses_another_name_and_a_missing_folder(here: Path) -> None:
    assert "did you mean 'shape'?" in invoke("demo", "shap").stderr
    assert invoke("demo", "-o", "nowhere").exit_code == 2
    assert listing(here) == []


def test_no_command_shows_the_help() -> None:
    alone, asked = invoke(), invoke("--help")
    assert (alone.exit_code, asked.exit_code) == (0, 0)
    assert alone.stdout == asked.stdout
    assert "Exit codes:" in alone.stdout


def test_version() -> None:
    assert invoke("--version").stdout == f"inr {inr.__version__}\n"


def test_a_misspelt_command() -> None:
    result = invoke("fitt")
    assert result.exit_code == 2
    assert "Did you mean 'fit'?" in result.stderr


@pytest.mark.parametrize("name", ["fit", "render", "mesh", "eval", "inspect", "fields", "doctor", "demo"])
def test_help_has_examples_and_fits_80_columns(name: str) -> None:
    shown = invoke(name, "--help").stdout
    assert f"\n  inr {name}" in shown or f"| inr {name}" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert name in get_command(app).list_commands(None)  # type: ignore[attr-defined]


def test_an_internal_error_is_one_line(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import inr.signals

    def broken(*args: object) -> None:
        raise RuntimeError("boom\nsecond line")

    monkeypatch.setattr(inr.signals, "load_signal", broken)
    result = invoke("fit", picture)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "error: RuntimeError: boom second line"
    assert "Traceback" not in result.stderr
    assert "Traceback" in invoke("fit", picture, "-vv").stderr
    assert json.loads(invoke("fit", picture, "--json").stderr)["message"].startswith("RuntimeError")
