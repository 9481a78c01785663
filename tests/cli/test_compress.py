"""`inr compress`, `decompress`, and `inspect` of their files: round trips, several inputs, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import document, invoke, listing, picture_size, program

GOLDEN = Path(__file__).parent.parent / "codec" / "golden"
QUICK = ("--profile", "weights", "--effort", "1", "--threads", "1", "--no-progress")


@pytest.fixture
def compressed(here: Path) -> Callable[[str], Path]:
    """A golden file by kind, copied here."""
    return lambda kind: Path(shutil.copy(GOLDEN / f"weights-{kind}.inrz", here / f"{kind}.inrz"))


@pytest.mark.slow
def test_a_model_there_and_back_is_verified(model: Path, here: Path) -> None:
    result = invoke("compress", model, "-o", "a.inrz", *QUICK)
    assert result.exit_code == 0, result.output
    for word in ("a.inrz", "dB PSNR", "bpp", "weights", "verified"):
        assert word in result.stdout
    assert [path.name for path in here.iterdir() if path.suffix == ".inrz"] == ["a.inrz"]
    made = document(invoke("decompress", "a.inrz", "-o", "a.png", "--json"))
    assert picture_size("a.png") == (16, 12)
    assert (made["profile"], made["shape"], made["format"]) == ("weights", [16, 12], "png")
    again = invoke("decompress", "a.inrz", "--to", "model", "-q")
    assert again.stdout == "a.safetensors\n" or "exists" in again.stderr


@pytest.mark.slow
def test_a_picture_as_json(picture: Path) -> None:
    found = document(invoke("compress", picture, *QUICK, "--no-verify", "--size", "600", "--json"))
    assert found["output"] == "a.inrz"
    assert found["bytes"] == Path("a.inrz").stat().st_size <= 600
    assert sum(found["sizes"].values()) == found["bytes"]
    assert found["bits_per_sample"] == pytest.approx(8 * found["bytes"] / (16 * 12))
    assert found["is_verified"] is False
    assert found["outcome"] == "done"


@pytest.mark.slow
def test_several_inputs_side_by_side_and_failures_at_the_end(model: Path, sound_model: Path, here: Path) -> None:
    (here / "broken.png").write_bytes(b"no picture")
    result = invoke("compress", model, "broken.png", sound_model, "-o", "out", "-j", "2", *QUICK, "--no-verify")
    assert result.exit_code == 3
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.inrz", "chirp.inrz"]
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["out/a.inrz", "out/chirp.inrz"]
    assert next(line for line in result.stderr.splitlines() if line.startswith("error: ")).count("broken.png") == 1
    back = invoke("decompress", "out/a.inrz", "out/chirp.inrz", "-o", "out")
    assert back.exit_code == 0, back.output
    assert {path.name for path in Path("out").iterdir()} >= {"a.png", "chirp.wav"}


@pytest.mark.parametrize(
    ("kind", "name"), [("image", "x.png"), ("image", "x.tif"), ("audio", "x.flac"), ("array", "x.npz")]
)
def test_the_suffix_gives_the_format(compressed: Callable[[str], Path], kind: str, name: str) -> None:
    result = invoke("decompress", compressed(kind), "-o", name)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(name)
    assert invoke("inspect", name).exit_code == 0


def test_a_shape_becomes_a_mesh_or_a_volume(compressed: Callable[[str], Path]) -> None:
    path = compressed("shape")
    assert invoke("decompress", path, "-o", "x.ply", "--resolution", "32").exit_code == 0
    assert "mesh" in invoke("inspect", "x.ply").stdout
    made = document(invoke("decompress", path, "--to", "npy", "--json"))
    assert np.load(made["output"]).shape == (128, 128, 128)


def test_a_decompressed_model_is_rendered_like_any_other(compressed: Callable[[str], Path]) -> None:
    assert invoke("decompress", compressed("image"), "-o", "m.safetensors").exit_code == 0
    assert invoke("decompress", "image.inrz", "-o", "a.png").exit_code == 0
    assert invoke("render", "m.safetensors", "-o", "b.png").exit_code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_inspect_lists_the_bytes_of_every_part(compressed: Callable[[str], Path]) -> None:
    path = compressed("image")
    result = invoke("inspect", path)
    assert result.exit_code == 0
    for word in ("compressed image 24x16", "profile  weights", "QNTB", "bits/symbol", "body.last.weight"):
        assert word in result.stdout
    (entry,) = document(invoke("inspect", path, "--json"))["files"]
    assert sum(chunk["bytes"] for chunk in entry["chunks"]) == entry["bytes"] == path.stat().st_size
    data = next(chunk["bytes"] for chunk in entry["chunks"] if chunk["name"] == "DATA")
    assert sum(row["bytes"] for row in entry["tensors"]) == pytest.approx(data, abs=2)
    assert sum(row["symbols"] for row in entry["tensors"]) == entry["n_symbols"]
    assert invoke("inspect", path, "-q").stdout == "compressed\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a.png", "--bpp", "1", "--quality", "3"), "expected one of them"),
        (("a.png", "--effort", "0"), "effort is 0"),
        (("a.png", "--quality", "101"), "quality is 101"),
        (("a.png", "--size", "many"), "expected a size"),
        (("a.png", "--size", "10"), "too few"),
        (("a.png", "--profile", "pyramit"), "unknown profile 'pyramit'"),
        (("a.png", "-j", "0"), "--jobs is 0"),
        (("a.png", "-o", "a.jpg"), "expected one of .inrz"),
        (("a.png", "-o", "none/a.inrz"), "does not exist"),
        (("a.png", "a.png", "-o", "out"), "would write 'a'"),
        (("a.png", "b.png", "-o", "a.png"), "is a file"),
        (("a.png", "b.png", "-o", "-"), "one file only"),
        (("a.png", "--set", "fit.steps=3"), "unknown section"),
        (("analytic:torus", "--bpp", "1"), "needs a signal of samples"),
        (("analytic:torus", "--target-psnr", "30"), "needs a signal of samples"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(
    picture: Path, here: Path, arguments: tuple[str, ...], says: str
) -> None:
    before = listing(here)
    result = invoke("compress", *arguments)
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert says in line
    assert listing(here) == before


def test_an_output_that_exists_is_kept(picture: Path, compressed: Callable[[str], Path]) -> None:
    Path("a.inrz").write_bytes(b"precious")
    result = invoke("compress", picture, *QUICK)
    assert result.exit_code == 2
    assert Path("a.inrz").read_bytes() == b"precious"
    Path("image.png").write_bytes(b"precious")
    assert invoke("decompress", compressed("image")).exit_code == 2
    assert Path("image.png").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: b"", "not an .inrz file"),
        (lambda data: b"hello", "not an .inrz file"),
        (lambda data: data[:50], "50 bytes"),
        (lambda data: data + b"x", "head states"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum"),
    ],
)
def test_damaged_files_are_one_line(
    compressed: Callable[[str], Path], here: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = compressed("image")
    path.write_bytes(change(path.read_bytes()))
    before = listing(here)
    result = invoke("decompress", path)
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert says in result.stderr
    assert listing(here) == before


def test_requests_for_what_a_file_is_not(compressed: Callable[[str], Path]) -> None:
    path = compressed("image")
    result = invoke("decompress", path, "--to", "pgn")
    assert result.exit_code == 2
    assert "did you mean 'png'" in result.stderr
    assert invoke("decompress", path, "-o", "x.ply").exit_code == 2
    assert invoke("decompress", "missing.inrz").exit_code == 3


@pytest.mark.slow
def test_a_file_through_pipes(compressed: Callable[[str], Path]) -> None:
    done = program("decompress", "-", "-o", "-", "--to", "png", stdin=compressed("image").read_bytes())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\x89PNG")
    refused = program("decompress", "-", "--json", stdin=b"nonsense")
    assert refused.returncode == 3
    assert json.loads(refused.stderr)["exit_code"] == 3


def test_a_picture_is_decompressed_without_torch_and_numba(picture: Path) -> None:
    """With the number of threads stated; the same picture as with one."""
    golden = str(Path(__file__).parents[1] / "codec" / "golden" / "pyramid-image.inrz")
    code = (
        "import sys; from inr_cli.main import run; sys.argv[0] = 'inr'\n"
        "try: run()\nfinally: print([name for name in ('torch', 'numba', 'pydantic') if name in sys.modules])"
    )
    found = []
    for threads in ("1", "2", "2"):  # the first process may have to add to the file of machine code
        words = ("decompress", golden, "-o", "again.png", "-f", "--threads", threads)
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        found.append((Path("again.png").read_bytes(), done.stdout.splitlines()[-1]))
    assert found[0][0] == found[1][0]
    assert found[2][1] == "[]"
    assert invoke("decompress", golden, "-o", "again.png", "-f", "--threads", "100000").exit_code == 2


def test_a_part_of_a_picture_is_written(picture: Path) -> None:
    golden = str(Path(__file__).parents[1] / "codec" / "golden" / "pyramid-image.inrz")
    found = document(invoke("decompress", golden, "-o", "part.png", "--crop", "3,2,9,5", "--json"))
    assert found["shape"] == [9, 5]
    assert picture_size("part.png") == (9, 5)
    for crop in ("1,2,3", "0,0,2.5,2", "a"):
        result = invoke("decompress", golden, "-o", "part.png", "-f", "--crop", crop)
        assert (result.exit_code, "expected whole numbers" in result.stderr) == (2, True)
    assert invoke("decompress", golden, "-o", "m.safetensors", "--crop", "0,0,1,1").exit_code == 2
    assert not Path("m.safetensors").exists()
