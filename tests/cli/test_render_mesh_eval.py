"""`inr render`, `inr mesh` and `inr eval` on small models."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import inr
from tests.cli.conftest import TINY, document, invoke, listing, picture_size
from tests.mesh import open_surfaces


@pytest.mark.parametrize(
    ("args", "size"),
    [
        ((), (16, 12)),
        (("--scale", "2.5"), (40, 30)),
        (("--size", "9x7"), (9, 7)),
        (("--crop", "4,2,8,6"), (8, 6)),
        (("--crop", "4,2,8,6", "--scale", "2"), (16, 12)),
    ],
)
def test_render_at_any_size_and_crop(model: Path, args: tuple[str, ...], size: tuple[int, int]) -> None:
    result = invoke("render", model, "-o", "r.png", *args)
    assert result.exit_code == 0
    assert picture_size("r.png") == size
    assert result.stdout.startswith("r.png  ")


def test_a_crop_is_that_part_of_the_whole(model: Path) -> None:
    invoke("render", model, "-o", "whole.png")
    invoke("render", model, "-o", "part.png", "--crop", "4,2,8,6")
    whole, part = (np.asarray(Image.open(name), np.int16) for name in ("whole.png", "part.png"))
    assert np.abs(part - whole[2:8, 4:12]).max() <= 1


def test_render_chooses_a_name_and_prints_it(model: Path) -> None:
    assert invoke("render", model, "-q").stdout == "a.render.png\n"
    assert invoke("render", model).exit_code == 2
    printed = document(invoke("render", model, "--format", "webp", "--json"))
    assert (printed["output"], printed["shape"], printed["format"]) == ("a.render.webp", [16, 12], "webp")


def test_render_prints_the_size_in_the_order_of_the_option(model: Path) -> None:
    for size in ("20x8", "1x9", "7x1", "1x1"):
        name = f"r{size}.png"
        assert invoke("render", model, "--size", size, "-o", name).stdout.startswith(f"{name}  {size}  ")
        assert picture_size(name) == tuple(map(int, size.split("x")))


def test_render_names_the_axes_that_are_not_cut(here: Path) -> None:
    np.save("v.npy", np.random.default_rng(0).normal(size=(4, 5, 1)).astype(np.float32))
    assert invoke("fit", "v.npy", *TINY, "--steps", "1").exit_code == 0
    assert document(invoke("render", "v.safetensors", "-o", "w.npy", "--json"))["shape"] == [4, 5, 1]
    printed = document(invoke("render", "v.safetensors", "--slice", "axis1=2", "-o", "s.npy", "--json"))
    assert printed["shape"] == [4, 1] == list(np.load("s.npy").shape)
    result = invoke("render", "v.safetensors", "--slice", "axis1=2", "--slice", "axis1=3", "-o", "t.npy")
    assert result.exit_code == 2
    assert "twice" in result.stderr


def test_eval_refuses_another_kind_of_signal(here: Path, sound: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)
    np.save("sq.npy", pixels)
    Image.fromarray(pixels).save("sq.png")
    np.save("line.npy", np.zeros(400, np.float32))
    for file, model in (("sq.npy", "array"), ("sq.png", "picture"), ("line.npy", "line"), (sound, "sound")):
        assert invoke("fit", file, *TINY, "--steps", "1", "-o", f"{model}.safetensors").exit_code == 0
    for model, reference in (("array", "sq.png"), ("picture", "sq.npy"), ("line", sound), ("sound", "line.npy")):
        result = invoke("eval", f"{model}.safetensors", reference)
        assert result.exit_code == 2, result.output
        assert "of kind" in result.stderr
        assert result.stdout == ""
    assert invoke("eval", "picture.safetensors", "sq.npy", "--kind", "image").exit_code == 0
    assert invoke("eval", "array.safetensors", "sq.npy").exit_code == 0


def test_render_a_sound_at_another_rate(sound_model: Path) -> None:
    assert invoke("render", sound_model, "--rate", "16000", "--crop", "0.5,0.25").exit_code == 0
    with wave.open("chirp.render.wav") as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 4000)


def test_render_a_slice_of_a_shape(shape_model: Path) -> None:
    assert invoke("render", shape_model, "--slice", "z=0", "--size", "32x32", "-q").stdout == "torus.render.png\n"
    assert picture_size("torus.render.png") == (32, 32)
    assert invoke("render", shape_model, "--size", "8").exit_code == 0
    assert np.load("torus.render.npy").shape == (8, 8, 8)


@pytest.mark.parametrize(
    "args",
    [
        ("--size", "big"),
        ("--size", "3.5x2"),
        ("--size", "10000000x10000000"),
        ("--scale", "0"),
        ("--crop", "1,2"),
        ("--crop", "0,0,999,999"),
        ("--rate", "8000"),
        ("--slice", "z"),
        ("--slice", "z=0"),
        ("--format", "wav"),
        ("-o", "r.xyz"),
        ("-o", "."),
    ],
)
def test_impossible_views_are_usage_errors(model: Path, here: Path, args: tuple[str, ...]) -> None:
    before = listing(here)
    result = invoke("render", model, *args)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert listing(here) == before


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl", "glb"])
def test_mesh_formats_in_the_units_of_the_shape(shape_model: Path, suffix: str) -> None:
    result = invoke("mesh", shape_model, "--resolution", "24", "-o", f"m.{suffix}", "--json")
    printed = document(result)
    assert (printed["outcome"], printed["output"]) == ("ok", f"m.{suffix}")
    mesh = trimesh.load(f"m.{suffix}", force="mesh")
    assert len(mesh.faces) == printed["n_faces"]
    assert np.ptp(mesh.vertices, axis=0)[0] == pytest.approx(2.7, abs=0.4)


def test_mesh_prints_what_it_found(shape_model: Path) -> None:
    (line,) = invoke("mesh", shape_model, "--resolution", "24").stdout.splitlines()
    assert line.startswith("torus.mesh.ply  ")
    for word in ("vertices", "faces", "closed", "1 part ", "volume "):
        assert word in line


def test_specks_are_left_out_with_a_note_and_kept_by_an_option(here: Path) -> None:
    invoke("csg", "sphere(0, 0, 0, 1) + sphere(1.5, 0, 0, 0.06)", "-o", "two.safetensors")
    clean = invoke("mesh", "two.safetensors", "--resolution", "48", "-o", "clean.ply", "--json")
    assert "1 speck of 3 cells or less was left out; `inr mesh --keep-specks` keeps it" in clean.stderr
    kept = invoke("mesh", "two.safetensors", "--resolution", "48", "-o", "kept.ply", "--json", "--keep-specks")
    found = [(d["n_components"], d["n_specks"], d["n_left_out"]) for d in map(document, (clean, kept))]
    assert found == [(1, 0, 1), (2, 1, 0)]
    assert np.max(trimesh.load("clean.ply", force="mesh").vertices) == pytest.approx(1, abs=0.05)
    assert np.max(trimesh.load("kept.ply", force="mesh").vertices) == pytest.approx(1.56, abs=0.05)


def test_dense_and_sparse_give_the_same_file(shape_model: Path) -> None:
    invoke("mesh", shape_model, "--resolution", "24", "-o", "sparse.ply")
    invoke("mesh", shape_model, "--resolution", "24", "-o", "dense.ply", "--dense")
    sparse, dense = (trimesh.load(name, process=False) for name in ("sparse.ply", "dense.ply"))
    assert len(sparse.faces) == len(dense.faces)


@pytest.mark.parametrize("n", ["16", "1025"])
def test_an_empty_mesh_is_exit_code_1_with_the_values_seen(n: str, shape_model: Path, here: Path) -> None:
    before = listing(here)
    result = invoke("mesh", shape_model, "--resolution", n, "--level", "-50")
    assert result.exit_code == 1
    assert "never crosses -50" in result.stderr
    assert document(invoke("mesh", shape_model, "--resolution", n, "--level", "-50", "--json"))["outcome"] == "empty"
    assert listing(here) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--resolution", "5000"), "mesh resolution 5000 is out of range, expected 4 to 4096"),
        (("--resolution", "0"), "mesh resolution 0 is out of range, expected 4 to 4096"),
        (("-o", "m.xyz"), "has suffix '.xyz'"),
        (("--format", "plyy"), "plyy"),
        (("--level", "nan"), "--level is nan, expected a finite number"),
    ],
)
def test_impossible_meshes_are_refused(shape_model: Path, here: Path, args: tuple[str, ...], message: str) -> None:
    before = listing(here)
    result = invoke("mesh", shape_model, *args)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert listing(here) == before


def test_a_picture_has_no_mesh(model: Path) -> None:
    assert invoke("mesh", model).exit_code == 2


def test_eval_agrees_with_fit(picture: Path) -> None:
    fitted = document(invoke("fit", picture, *TINY, "--steps", "20", "--json"))
    printed = document(invoke("eval", "a.safetensors", picture, "--json"))
    assert printed["models"][0]["metrics"] == pytest.approx(fitted["metrics"], nan_ok=True)
    assert printed["models"][0]["n_params"] == 371


def test_eval_prints_a_table_and_continues_after_a_bad_model(picture: Path, model: Path) -> None:
    result = invoke("eval", model, "missing.safetensors", model, picture)
    assert result.exit_code == 3
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["model", "field", "parameters", "psnr_db", "ssim", "mse"]
    assert [row.split()[0] for row in rows] == [str(model), str(model)]
    assert result.stderr == "error: cannot read 'missing.safetensors': no such file\n"


def test_eval_measures_compressed_files(picture: Path) -> None:
    """With and without a field, as `inr compress` measured them."""
    for name, settings in (("p.inrz", ()), ("w.inrz", ("--profile", "weights"))):
        done = invoke("compress", picture, "-o", name, "--effort", "1", "--size", "1500", "--json", *settings)
        assert done.exit_code == 0, done.output
        row = document(invoke("eval", name, picture, "--json"))["models"][0]
        assert row["metrics"]["psnr_db"] == pytest.approx(document(done)["metrics"]["psnr_db"], abs=1e-3)
    assert document(invoke("eval", "p.inrz", picture, "--json"))["models"][0]["field"] == "pyramid"
    Image.new("RGB", (5, 4)).save("other.png")
    refused = invoke("eval", "p.inrz", "other.png")
    assert refused.exit_code == 2
    assert "'p.inrz' holds a signal of kind 'image' with 16x12x3 values" in refused.stderr


def test_the_model_in_a_compressed_file_is_a_model(picture: Path) -> None:
    assert invoke("compress", picture, "-o", "w.inrz", "--profile", "weights", "--effort", "1").exit_code == 0
    assert invoke("render", "w.inrz", "--scale", "2", "-o", "large.png").exit_code == 0
    assert picture_size("large.png") == (32, 24)
    assert inr.load("w.inrz").spec.shape == (16, 12)


def test_eval_of_another_kind_of_signal(model: Path, sound: Path) -> None:
    assert invoke("eval", model, sound).exit_code == 2


def test_eval_corresponds_shapes_in_their_units(shape_model: Path) -> None:
    printed = document(invoke("eval", shape_model, "analytic:torus", "--json"))
    found = printed["models"][0]["metrics"]
    assert found["iou"] > 0.9
    assert 0 < found["chamfer"] < found["hausdorff"] < 0.3
    for name in ("normal_consistency", "f_score", "slice_iou"):
        assert 0.8 < found[name] <= 1
    assert "edge_rounding" not in found  # a torus has no sharp edges


def test_eval_measures_the_edges_of_a_box(here: Path) -> None:
    """An exact box has its edges; one with faces 0.05 further out has them that far outside of the other's."""
    trimesh.creation.box((1.0, 0.8, 0.6)).export("box.obj")
    for by, name in ((0.0, "same"), (0.1, "larger")):
        sides = ",".join(f"{side + by:g}" for side in (1.0, 0.8, 0.6))
        assert invoke("csg", f"box(0,0,0, {sides})", "-o", f"{name}.safetensors").exit_code == 0
    rows = document(invoke("eval", "same.safetensors", "larger.safetensors", "box.obj", "--json"))["models"]
    same, larger = (row["metrics"] for row in rows)
    assert abs(same["edge_rounding"]) < 1e-5
    assert larger["edge_rounding"] == pytest.approx(-0.05, abs=1e-4)
    assert same["chamfer"] < 0.002 < larger["chamfer"]
    assert larger["chamfer"] == pytest.approx(0.05, rel=0.1)


@pytest.mark.slow
def test_eval_far_from_the_origin_measures_as_at_the_origin(here: Path) -> None:
    """In a box other than the model's, points are converted through the units, in float64 for map coordinates."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=5)
    found = []
    for name, place in (("near", (0.0, 0.0, 0.0)), ("far", (500000.25, 4000000.5, 120.0))):
        for file, size in ((f"{name}.obj", 1.0), (f"{name}-larger.obj", 1.02)):
            lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in (ball.vertices * size + place).tolist()]
            lines += [f"f {a} {b} {c}" for a, b, c in (ball.faces + 1).tolist()]
            (here / file).write_text("\n".join(lines))
        few = ("--steps", "5", "--set", "signal.points=4096")
        assert invoke("fit", f"{name}.obj", "-o", f"{name}.safetensors", *TINY, *few).exit_code == 0
        printed = document(invoke("eval", f"{name}.safetensors", f"{name}-larger.obj", "--json"))
        found.append(printed["models"][0]["metrics"])
    near, far = found
    assert far == pytest.approx(near, rel=1e-2, abs=5e-3)


def test_eval_errors_are_json_too(picture: Path) -> None:
    result = invoke("eval", "missing.safetensors", picture, "--json")
    assert json.loads(result.stderr)["exit_code"] == 3
    assert document(result)["models"] == []


def test_meshes_are_simplified_and_checked(shape_model: Path) -> None:
    plain = document(invoke("mesh", shape_model, "-o", "a.ply", "--resolution", "32", "--json"))
    done = invoke("mesh", shape_model, "-o", "b.ply", "--resolution", "32", "--simplify", "0.02", "--check", "--json")
    assert done.exit_code == 0, done.output
    found = document(done)
    assert found["n_faces_before"] == plain["n_faces"]
    assert found["n_faces"] < plain["n_faces"] / 2
    assert 0 < found["deviation"] <= 0.02
    assert found["check"]["is_closed"]
    assert found["check"]["n_components"] == found["n_components"]
    text = invoke("mesh", shape_model, "-o", "c.ply", "--resolution", "32", "--simplify", "0.02", "--check")
    assert "check: closed, manifold, " in text.output
    assert f"simplified from {plain['n_faces']:,} to {found['n_faces']:,} faces, " in text.output
    bad = invoke("mesh", shape_model, "-o", "d.ply", "--resolution", "32", "--simplify", "-1")
    assert bad.exit_code == 2
    assert "error: --simplify is -1, expected a positive distance" in bad.output


def test_meshes_are_coloured_by_a_second_model(shape_model: Path, model: Path) -> None:
    np.save("colours.npy", np.random.default_rng(0).random((6, 6, 6, 3)).astype(np.float32))
    made = invoke("fit", "colours.npy", "-o", "c.safetensors", "--steps", "3", "--set", "signal.channels=last")
    assert made.exit_code == 0, made.stderr
    done = invoke("mesh", shape_model, "-o", "c.ply", "--resolution", "16", "--colour", "c.safetensors")
    assert done.exit_code == 0, done.stderr
    mesh = trimesh.load("c.ply", process=False)
    assert np.asarray(mesh.visual.vertex_colors)[:, :3].std() > 1
    assert invoke("mesh", shape_model, "-o", "c.3mf", "--resolution", "16", "--colour", "c.safetensors").exit_code == 0
    for args, message in (
        (("-o", "d.glb", "--uv"), "--uv writes a texture of colours and needs a model for --colour"),
        (("-o", "d.ply", "--uv", "--colour", "c.safetensors"), "needs an output in .glb, not .ply"),
        (("-o", "d.ply", "--colour", model), "colours need a field from 3 coordinates to 1, 3 or 4 values"),
    ):
        refused = invoke("mesh", shape_model, "--resolution", "16", *args)
        assert refused.exit_code == 2, refused.stderr
        assert message in refused.stderr


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a square sheet, trained enough to have a surface."""
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "s.off").write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0.2\n0 1 0.2\n3 0 1 2\n3 0 2 3\n")
    small = ("--set", "signal.points=32768", "--set", "fit.batch=4096")
    made = invoke(
        "fit", folder / "s.off", "--kind", "unsigned", "-o", folder / "s.safetensors", "--steps", "200", *small
    )
    assert made.exit_code == 0, made.stderr
    return folder / "s.safetensors"


def test_an_open_surface_is_written_open(sheet: Path, here: Path) -> None:
    printed = document(invoke("mesh", sheet, "-o", "s.glb", "--resolution", "24", "--json"))
    assert not printed["is_closed"]
    assert printed["open"]["n_boundary_edges"] > 20
    assert abs(printed["open"]["area"] - 1.02) < 0.15
    material = trimesh.load(here / "s.glb", force="mesh").visual.material
    assert material.doubleSided
    result = invoke("mesh", sheet, "-o", "s.ply", "--resolution", "24")
    assert "  open  1 part  1 boundary  area " in result.stdout


@pytest.mark.parametrize("name", ["hemisphere", "moebius"])
def test_half_a_sphere_and_a_moebius_strip_are_fitted_and_written_with_one_boundary(name: str, here: Path) -> None:
    angle = np.linspace(0, np.pi / 2, 25)
    half = trimesh.creation.revolve(np.stack([np.sin(angle), np.cos(angle)], axis=1))
    surface = trimesh.Trimesh(*open_surfaces.moebius(), process=False) if name == "moebius" else half
    surface.export("o.ply")
    small = ("--steps", "150", "--set", "signal.points=65536", "--set", "fit.batch=8192")
    assert invoke("fit", "o.ply", "--kind", "unsigned", "-o", "o.safetensors", *small).exit_code == 0
    result = invoke("mesh", "o.safetensors", "-o", "written.ply", "--resolution", "32", "--json")
    assert result.exit_code == 0
    found = document(result)["open"]
    assert (found["n_loops"], found["is_orientable"]) == (1, name != "moebius")
    assert ("the surface is not orientable" in result.stderr) == (name == "moebius")
    written = trimesh.load(here / "written.ply", process=False)
    assert not written.is_watertight
    assert written.area == pytest.approx(surface.area, rel=0.05)


def test_an_offset_of_an_open_surface_beyond_its_box_is_closed(sheet: Path, here: Path) -> None:
    result = invoke("mesh", sheet, "-o", "far.ply", "--resolution", "32", "--offset", "3", "--check", "--json")
    assert result.exit_code == 0
    assert "the offset reaches beyond the box of the model" in result.stderr
    assert (document(result)["resolution"], document(result)["is_clipped"]) == (32, False)
    area, perimeter = 1.02, 2 + 2 * 1.04**0.5
    right = 6 * area + perimeter * np.pi * 9 / 2 + 4 / 3 * np.pi * 27
    assert trimesh.load(here / "far.ply").volume == pytest.approx(right, rel=0.02)


def test_an_open_surface_as_stl_gets_a_note_and_a_shell_does_not(sheet: Path, here: Path) -> None:
    open_mesh = invoke("mesh", sheet, "-o", "s.stl", "--resolution", "24")
    assert "STL of an open surface: slicers will not print it; --shell gives it a thickness" in open_mesh.stderr
    closed = invoke("mesh", sheet, "-o", "t.stl", "--resolution", "24", "--shell", "0.2", "--check")
    assert closed.exit_code == 0
    assert "slicers" not in closed.stderr
    assert 0.15 < trimesh.load(here / "t.stl").volume < 0.4
    moved = invoke("mesh", sheet, "-o", "u.stl", "--resolution", "24", "--offset", "-0.1")
    assert moved.exit_code == 2
    assert "distances to an open surface have no sign" in moved.stderr


def test_a_fit_without_a_surface_says_how_far_it_stays_off(sheet: Path, here: Path) -> None:
    small = ("--set", "signal.points=1024", "--steps", "1", "--field", "siren")
    assert invoke("fit", sheet.with_name("s.off"), "--kind", "unsigned", "-o", "z.safetensors", *small).exit_code == 0
    fit = inr.load("z.safetensors")
    with torch.no_grad():
        [*fit.field.parameters()][-1].add_(5.0)
    fit.save("z.safetensors")
    result = invoke("mesh", "z.safetensors", "-o", "z.ply", "--resolution", "8")
    assert result.exit_code == 1
    assert "no surface: the smallest value is " in result.stderr
    assert "hint: fit longer, or use --resolution 4" in result.stderr
    assert not (here / "z.ply").exists()


@pytest.mark.slow
def test_eval_measures_an_open_surface_and_its_boundary(sheet: Path) -> None:
    """A rough fit has holes, which the boundary's error shows; the default one has none."""
    rough = invoke("mesh", sheet, "-o", "rough.ply", "--resolution", "128")
    assert "the fit is rough at 128 cells; fit longer" in rough.stderr
    mesh = sheet.with_name("s.off")
    assert invoke("fit", mesh, "--kind", "unsigned", "-o", "s.safetensors").exit_code == 0
    rows = document(invoke("eval", sheet, "s.safetensors", mesh, "--kind", "unsigned", "--json"))["models"]
    before, after = rows[0]["metrics"], rows[1]["metrics"]
    assert after["near_mae"] < 0.001
    assert after["chamfer"] < 0.001
    assert after["f_score"] > 0.99
    assert after["boundary_hausdorff"] < 0.01
    assert before["boundary_hausdorff"] > 0.1
    assert invoke("report", sheet, "-o", "r.html").exit_code == 0
