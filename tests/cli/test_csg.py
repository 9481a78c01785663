"""`inr csg`: a model from models, refusals with columns, and baking."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import document, invoke


def test_a_combination_is_a_model_like_any_other(shape_model: Path) -> None:
    done = invoke(
        "csg", "torus - box(1,0,0, 1,1,1) + move(torus.safetensors, 0,0,0.5)", "-o", "c.safetensors", "--json"
    )
    assert done.exit_code == 0, done.output
    found = document(done)
    assert found["operands"] == ["torus", "torus.safetensors"]
    assert found["bytes"] == Path("c.safetensors").stat().st_size
    shape_model.unlink()  # the file holds its operands
    for words in (
        ("mesh", "c.safetensors", "-o", "c.ply", "--resolution", "24"),
        ("render", "c.safetensors", "-o", "c.npy", "--size", "8"),
        ("export", "c.safetensors", "-o", "c.nvdb", "--voxel", "0.2"),
        ("export", "c.safetensors", "-o", "c.onnx"),
        ("inspect", "c.safetensors"),
        ("eval", "c.safetensors", "analytic:torus"),
        ("report", "c.safetensors", "-o", "c.html"),
    ):
        done = invoke(*words)
        assert done.exit_code == 0, (words, done.output)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["torus + "], 2, "error: column 9: expected a model, a function or (, found the end"),
        (["torus + nothing"], 3, "error: column 9: cannot read 'nothing': no such file"),
        (["torus + a"], 2, "error: column 9: 'a' is a model of kind 'image', expected a shape or point cloud"),
        (["torus", "--offset", "0.5"], 2, "the surface would be in the wrong place"),
        (["torus", "--shell", "-1"], 2, "error: --shell is -1, expected at least 0"),
        (["torus", "--steps", "5"], 2, "error: options of training need --bake"),
        (["torus", "-o", "c.ply"], 2, "expected one of .safetensors"),
        (["sphere(0,0,0,1) - sphere(0,0,0,2)", "--bake"], 1, "error: the result is empty"),
    ],
)
def test_a_bad_request_is_one_line(words: list[str], code: int, reason: str, shape_model: Path, model: Path) -> None:
    done = invoke("csg", *words)
    assert done.exit_code == code, done.output
    assert reason in done.output
    assert sum(line.startswith("error: ") for line in done.output.splitlines()) == 1
    assert not list(Path().glob("c*"))


def test_baked_it_is_one_field_that_can_be_offset(here: Path) -> None:
    expression = "sphere(-0.5,0,0,1) + sphere(0.5,0,0,1)"
    refused = invoke("csg", expression, "--offset", "-0.2")
    assert refused.exit_code == 2
    assert "hint: make the union a model with --bake, and use that" in refused.output
    small = ("--set", "field.encoding.levels=6", "--set", "field.encoding.log2_table=14")
    done = invoke(
        "csg", expression, "--bake", "--margin", "0.3", "--resolution", "32", "--steps", "150", *small,
        "--set", "fit.batch=8192", "-o", "one.safetensors", "--no-progress",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "IOU" in done.output
    done = invoke("csg", "one", "--offset", "-0.2", "-o", "thin.safetensors")
    assert done.exit_code == 0, done.output
    done = invoke("mesh", "thin.safetensors", "-o", "thin.ply", "--resolution", "32", "--json")
    # the union of spheres of radius 0.8, 3.893, and a little more where they meet
    assert document(done)["volume"] == pytest.approx(3.91, abs=0.25)
