"""`inr export`: formats by suffix and by name, pipes, JSON, and impossible requests."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import document, invoke, program


@pytest.mark.parametrize("name", ["a.onnx", "a.py", "a.glsl", "a.wgsl", "b.safetensors", "a.pt2"])
def test_the_suffix_gives_the_format(name: str, model: Path) -> None:
    done = invoke("export", model, "-o", name, "--json")
    assert done.exit_code == 0, done.output
    found = document(done)
    assert found["output"] == name
    for file in found["files"]:
        assert Path(file["path"]).stat().st_size == file["bytes"]
    again = invoke("export", model, "-o", name)
    assert again.exit_code == 2
    assert "exists" in again.output
    assert invoke("export", model, "-o", name, "-f", "-q").stdout.strip() == name


def test_a_shape_becomes_a_mesh(shape_model: Path) -> None:
    done = invoke("export", shape_model, "-o", "torus.glb", "--set", "resolution=24")
    assert done.exit_code == 0, done.output
    assert Path("torus.glb").read_bytes()[:4] == b"glTF"
    grey = invoke("export", shape_model, "-o", "torus.ply", "--colors", shape_model, "--set", "resolution=24")
    assert grey.exit_code == 0, grey.output
    assert b"property uchar red" in Path("torus.ply").read_bytes()


def test_a_shape_becomes_grids_and_bodies_for_engines(shape_model: Path) -> None:
    for name in ("torus.nvdb", "torus.vti", "torus.usda", "torus.xml"):
        done = invoke("export", shape_model, "-o", name, "--voxel", "0.2", "--json")
        assert done.exit_code == 0, done.output
        assert [file["path"] for file in document(done)["files"]] == [name]
    done = invoke("export", shape_model, "-o", "torus.npy", "--voxel", "0.1", "--band", "2", "--half", "--json")
    assert done.exit_code == 0, done.output
    assert [file["path"] for file in document(done)["files"]] == ["torus.npy", "torus.json"]
    values = np.load("torus.npy")
    assert values.dtype == np.float16
    assert np.abs(values).max() == np.float16(0.2)
    fine = invoke("export", shape_model, "-o", "fine.nvdb", "--voxel", "1e-5")
    assert fine.exit_code == 2
    assert re.search(r"error: --voxel 1e-05 gives \S+ lattice points along the surface; \S+ fits in 1 GB", fine.output)
    assert not Path("fine.nvdb").exists()


def test_a_format_by_name_goes_to_a_pipe(model: Path) -> None:
    done = program("export", model, "--format", "glsl", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert b"vec3 field(vec2 x) {" in done.stdout
    two = program("export", model, "--format", "numpy", "-o", "-")
    assert two.returncode == 2
    assert b"writes 2 files (.py, .npz)" in two.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["-o", "a.onx"], 2, "unknown format '.onx' (did you mean 'onnx'?)"),
        (["-o", "no/a.onnx"], 2, "output folder 'no' does not exist"),
        (["-o", "a.onnx", "--set", "limt=3"], 2, "unknown setting"),
        (["-o", "a.glsl", "--set", "limt=3"], 2, "did you mean 'limit'?"),
        (["-o", "a.onnx", "--colors", "b.safetensors"], 2, "--colors does not apply to onnx"),
        (["-o", "a.onnx", "--voxel", "1"], 2, "--voxel does not apply to onnx"),
        (["-o", "a.usda", "--half"], 2, "--half does not apply to usda"),
        (["-o", "a.nvdb"], 2, "a grid of distances needs a fitted shape or point cloud, this model is of kind 'image'"),
        (["-o", "a.ply", "--set", "resolution=3"], 2, "is 3, expected >= 4, <= 4096"),
        (["-o", "a.ply"], 2, "a mesh needs a field from 3 coordinates to 1 value"),
        (["-o", "a.json"], 2, "tiny-cuda-nn's counterpart of encoding 'identity' differs"),
    ],
)
def test_a_bad_request_is_one_line_with_the_reason(words: list[str], code: int, reason: str, model: Path) -> None:
    done = invoke("export", model, *words)
    assert done.exit_code == code
    lines = [line for line in done.output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert reason in lines[0]
    assert not list(Path().glob("a.[!s]*"))


def test_files_that_are_not_models_are_refused(here: Path) -> None:
    (here / "a.safetensors").write_bytes(b"nothing")
    assert invoke("export", "a.safetensors", "-o", "a.onnx").exit_code == 3
    assert invoke("export", "missing.json", "-o", "a.onnx").exit_code == 3
    (here / "a.inrz").write_bytes(b"INRZ")
    done = invoke("export", "a.inrz", "-o", "a.onnx")
    assert done.exit_code in (2, 3)
    assert "a.inrz" in done.output


def test_tiny_cuda_nn_there_and_back(picture: Path) -> None:
    config = Path(__file__).parent.parent / "exporters" / "instant_ngp_image.json"
    fitted = invoke(
        "fit", picture, "--config", config, "--steps", "2", "-o", "m.safetensors", "--no-progress", "--threads", "1",
        "--set", "field.encoding.levels=2",
    )  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    assert invoke("export", "m.safetensors", "-o", "m.json").exit_code == 0
    assert invoke("export", "m.json", "-o", "again.safetensors").exit_code == 0
    assert Path("again.safetensors").read_bytes() == Path("m.safetensors").read_bytes()


def test_a_compressed_pyramid_is_refused_as_it_has_no_field(here: Path) -> None:
    golden = Path(__file__).parent.parent / "codec" / "golden" / "pyramid-image.inrz"
    done = invoke("export", golden, "-o", "a.onnx")
    assert done.exit_code == 2
    assert "error: profile 'pyramid' does not code a field of coordinates, so the file holds no model" in done.output
    assert not Path("a.onnx").exists()


def test_a_compressed_picture_becomes_a_page_with_its_decoder(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "codec" / "golden"
    data = (golden / "pyramid-image.inrz").read_bytes()
    Path("photo.inrz").write_bytes(data)
    done = invoke("export", "photo.inrz", "-o", "photo.html")
    assert done.exit_code == 0, done.output
    assert Path("photo.html").stat().st_size < len(data) + 20_000
    assert invoke("export", "photo.inrz", "--force").exit_code == 0
    assert Path("photo.html").read_bytes()[:15] == b"<!doctype html>"
    Path("damaged.inrz").write_bytes(data[:-1] + b"x")
    done = invoke("export", "damaged.inrz", "-o", "damaged.html")
    assert done.exit_code == 3
    assert "checksum is wrong" in done.output
    assert not Path("damaged.html").exists()
    fitted = invoke("export", golden / "weights-image.inrz", "-o", "field.html")
    assert fitted.exit_code == 0, fitted.output
    assert "field" in Path("field.html").read_text("utf-8")
