"""`inr evolve`: frames, films, models, and refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import imageio.v3
import numpy as np
import pytest
import trimesh

from tests.cli.conftest import invoke

SMALL = ("--resolution", "24")


@pytest.fixture(autouse=True)
def ball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes to a folder with ball.safetensors, of radius 0.5."""
    monkeypatch.chdir(tmp_path)
    assert invoke("csg", "sphere(0,0,0, 0.5)", "-o", "ball.safetensors").exit_code == 0
    assert invoke("csg", "sphere(3,0,0, 0.5)", "-o", "far.safetensors").exit_code == 0


def test_frames_in_a_folder_past_the_end() -> None:
    done = invoke(
        "evolve",
        "ball.safetensors",
        "--smooth",
        "0.02",
        "--until",
        "4",
        "--frames",
        "3",
        "-o",
        "frames/",
        "--json",
        *SMALL,
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["frames"]
    assert [row["outcome"] for row in rows] == ["ok", "ok", "empty"]
    assert re.search(r"the shape vanishes at t = (2\.9|3\.[012])\d*, frames after it are empty", done.stderr)
    assert sorted(path.name for path in Path("frames").iterdir()) == ["frame_0000.ply", "frame_0001.ply"]
    assert trimesh.load("frames/frame_0001.ply").volume == pytest.approx(rows[1]["volume"], rel=1e-3)
    refused = invoke("evolve", "ball.safetensors", "--smooth", "0.02", "--frames", "3", "-o", "frames", *SMALL)
    assert refused.exit_code == 2
    assert "frame_0000.ply" in refused.stderr


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_film(suffix: str) -> None:
    """The ball becomes wider from frame to frame."""
    done = invoke("evolve", "ball.safetensors", "--flow", "x, 0, 0", "--frames", "4", "-o", f"wide.{suffix}", *SMALL)
    assert done.exit_code == 0, done.output
    frames = np.stack([*imageio.v3.imiter(f"wide.{suffix}")]).astype(float)
    assert len(frames) == 4
    drawn = np.abs(frames - frames[:, :1, :1]).max(axis=3) > 40  # other than the background
    widths = drawn.any(axis=1).sum(axis=1)
    assert (np.diff(widths) > 0).all()
    assert "volume" in done.output


def test_a_model_of_a_flow_is_meshed_as_any_other() -> None:
    done = invoke("evolve", "ball.safetensors", "--flow", "1, 0, 0", "--until", "2", "-o", "moved.safetensors", *SMALL)
    assert done.exit_code == 0, done.output
    assert invoke("mesh", "moved.safetensors", "-o", "moved.ply", *SMALL).exit_code == 0
    assert trimesh.load("moved.ply").centroid == pytest.approx([2, 0, 0], abs=0.02)
    assert invoke("csg", "offset(moved, 0.1)", "-o", "o.safetensors").exit_code == 2


def test_shapes_that_do_not_overlap() -> None:
    done = invoke(
        "evolve", "ball.safetensors", "--morph", "far.safetensors", "--frames", "3", "--format", "glb", *SMALL
    )
    assert done.exit_code == 0, done.output
    assert "overlap by 0 % only" in done.stderr
    assert Path("ball.frames/frame_0000.glb").is_file()


def test_an_open_surface_cannot_be_a_target() -> None:
    trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]).export("sheet.obj")
    small = ("--steps", "1", "--set", "signal.points=1024", "--field", "siren")
    assert invoke("fit", "sheet.obj", "--kind", "unsigned", *small, "-o", "sheet.safetensors").exit_code == 0
    done = invoke("evolve", "ball.safetensors", "--morph", "sheet.safetensors", *SMALL)
    assert done.exit_code == 2
    assert "'sheet.obj' is of kind 'unsigned', expected a fitted shape" in done.stderr


def test_no_model_of_an_empty_shape_but_a_document() -> None:
    done = invoke("evolve", "ball.safetensors", "--smooth", "1", "-o", "gone.safetensors", "--json", *SMALL)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["output"], found["empty_from"]) == (None, 1)
    assert "no model was written" in done.stderr
    assert not Path("gone.safetensors").exists()


def test_frames_with_cells_larger_than_the_shape_are_noted_once() -> None:
    done = invoke("evolve", "ball.safetensors", "--flow", "0, 0, 10", "--frames", "3", "--resolution", "16", "-o", "f")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("less than a cell of") == 1
    assert "note: at t = 0: the shape is about" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected one of --smooth, --flow and --morph"),
        (("--smooth", "1", "--flow", "x,y,z"), "expected one of --smooth"),
        (("--smooth", "-1"), "--smooth is -1, expected a speed above 0"),
        (("--flow", "x, y"), "2 formulas, expected 3"),
        (("--smooth", "1", "--frames", "0"), "--frames is 0"),
        (("--smooth", "1", "-o", "a.png"), "expected a folder, .gif, .mp4 or .safetensors"),
        (("--smooth", "1", "--format", "tif"), "--format is 'tif'"),
        (("--smooth", "1", "-o", "ball.safetensors"), "exists"),
        (("--morph", "far.safetensors", "--train"), "--train has no use with --morph"),
        (("--smooth", "1", "--steps", "9"), "--steps is for --train"),
        (("--smooth", "1", "--train", "--steps", "0"), "--steps is 0, expected at least 1"),
    ],
)
def test_wrong_options(words: tuple[str, ...], message: str) -> None:
    done = invoke("evolve", "ball.safetensors", *SMALL, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["ball.safetensors", "far.safetensors"]


def test_a_trained_field_of_space_and_time() -> None:
    words = ("evolve", "ball.safetensors", "--flow", "0.1, 0, 0", "--train", "--steps", "80", "-o", "t.safetensors")
    done = invoke(*words, *SMALL)
    assert done.exit_code == 0, done.output
    assert re.search(r"trained in 80 steps: the start is off by 0\.0\d* on average", done.stderr)
    inspected = invoke("inspect", "t.safetensors").stdout
    assert "at_time" in inspected
