"""`inr solve clone` and the other tasks: what is written, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio.v3 import imread
from PIL import Image as Pillow

from tests.cli.conftest import document, invoke

QUICK = ("--threads", "1", "--no-progress")
EDGE = ("--set", "solve.method=edge", "--set", "solve.steps=30", "--set", "solve.vertices=8")


@pytest.fixture
def examples(here: Path) -> Path:
    assert invoke("solve", "--examples").exit_code == 0
    return here


def test_the_example_is_solved_from_its_file_and_from_a_line(examples: Path) -> None:
    assert invoke("solve", "clone.toml", "-o", "one.png", *QUICK).exit_code == 0
    line = ("clone", "dusk.png", "ball.png", "--mask", "ball_mask.png", "--at", "60,30")
    result = invoke("solve", *line, "-o", "two.png", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("two.png  clone  192x128 pixels, 2,7")
    assert (examples / "one.png").read_bytes() == (examples / "two.png").read_bytes()
    one, target = (imread(name).astype(int) for name in ("one.png", "dusk.png"))
    assert (one[:30] == target[:30]).all()
    assert np.abs(one - target).max() > 50


def test_a_field_a_fit_and_json(examples: Path) -> None:
    hole = np.zeros((128, 192), np.uint8)
    hole[40:60, 50:90] = 255
    Pillow.fromarray(hole).save("hole.png")
    line = ("inpaint", "dusk.png", "--mask", "hole.png", "--field", "siren", "--set", "field.width=16", *EDGE, *QUICK)
    loose = ("--set", "solve.target=100")
    result = invoke("solve", *line, *loose, "-o", "u.safetensors", "--export", "u.png", "--json")
    assert result.exit_code == 0, result.stderr
    again = invoke("solve", *line, "--set", "solve.target=1e-9", "-o", "again.png")
    assert again.exit_code == 1
    assert "target not reached" in again.stderr
    found = document(result)
    assert found["n_free"] == 800
    assert found["off"] > 0
    assert found["exports"] == ["u.png"]
    assert found["metrics"]["psnr_db"] > 5
    assert imread("u.png").shape == (128, 192, 3)
    assert invoke("render", "u.safetensors", "-o", "r.png").exit_code == 0
    assert imread("r.png").shape == (128, 192, 3)


def test_heights_are_floats_in_tiff_and_scaled_in_png(examples: Path) -> None:
    flat = np.full((12, 16, 3), 128, np.uint8)
    flat[..., 2] = 255
    flat[:, :8, 0] = 200
    Pillow.fromarray(flat).save("n.png")
    assert invoke("solve", "integrate", "n.png", "-o", "h.tiff", *QUICK).exit_code == 0
    height = tifffile.imread("h.tiff")
    assert height.dtype == np.float32
    assert height[5, 0] > height[5, 7] + 3
    result = invoke("solve", "integrate", "n.png", "-o", "h.png", *QUICK)
    assert "are written as black to white" in result.stderr


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("clone", "dusk.png"), 2, "clone was given 1 files, expected 2: TARGET SOURCE"),
        (("clone", "dusk.png", "none.png"), 3, "no such file"),
        (("clone", "dusk.png", "clone.toml"), 3, "is not a PNG"),
        (("clone", "dusk.png", "ball.png", "--mask", "dusk.png"), 2, "expected the 64x64 of 'ball.png'"),
        (("clone", "dusk.png", "ball.png", "--at", "500,0"), 2, "lie outside 'dusk.png'"),
        (("clone", "dusk.png", "ball.png", "--at", "a,b"), 2, "expected X,Y in pixels"),
        (("inpaint", "dusk.png"), 2, "inpaint needs a mask"),
        (("tone", "dusk.png", "--axes", "x=0:1"), 2, "--axes cannot be used here"),
        (
            ("tone", "dusk.png", "--set", "fit.steps=3"),
            2,
            "expected solve.KEY=VALUE, task.KEY=VALUE or field.KEY=VALUE",
        ),
        (("tone", "dusk.png", "--set", "task.gamma=3"), 2, "unknown setting 'task.gamma'"),
        (("tone", "dusk.png", "--set", "field.width=3"), 2, "--set field.* needs a field"),
        (("tone", "dusk.png", "--field", "magic"), 2, "magic"),
        (("tone", "dusk.png", "-o", "x.bmp"), 2, "has suffix '.bmp'"),
        (("dusk.png",), 2, "'dusk.png' is neither a problem file (.toml) nor a task: clone"),
        (
            ("clone.toml", "--at", "1,1"),
            2,
            "--mask and --at are for a task and its pictures, and a problem file is given",
        ),
        (("inpant",), 2, "unknown picture task 'inpant' (did you mean 'inpaint'?)"),
        (("tones", "dusk.png"), 2, "expected one problem file or a task: clone, gradients"),
        (("poisson.toml", "--field", "hash_grid"), 2, "field is smooth to order 0 only"),
        (("poisson.toml", "--mask", "ball_mask.png"), 2, "--mask cannot be used here"),
    ],
)
def test_mistakes_are_one_line(examples: Path, args: tuple[str, ...], code: int, message: str) -> None:
    before = sorted(path.name for path in examples.iterdir())
    result = invoke("solve", *args)
    assert result.exit_code == code
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert sorted(path.name for path in examples.iterdir()) == before


def test_a_picture_from_its_differences_is_the_picture(here: Path) -> None:
    """Black and white come back within rounding, which is not clipping."""
    pixels = (255 * (np.random.default_rng(0).random((20, 24, 3)) < 0.5)).astype(np.uint8)
    Pillow.fromarray(pixels).save("p.png")
    result = invoke("solve", "gradients", "p.png", "-o", "q.png")
    assert result.exit_code == 0
    assert "clipped" not in result.stderr
    assert np.array_equal(np.asarray(Pillow.open("q.png")), pixels)
