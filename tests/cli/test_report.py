"""`inr report`: the page from files, its content, pipes, and impossible requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import document, invoke
from tests.report.test_page import cells, is_self_contained, tiles


def test_a_model_with_its_signal(model: Path, picture: Path) -> None:
    done = invoke("report", model, "--json")
    assert done.exit_code == 0, done.output
    printed = document(done)
    assert (printed["schema"], printed["output"]) == ("inr.report", "a.report.html")
    text = Path("a.report.html").read_text("utf-8")
    assert printed["bytes"] == len(text.encode())
    assert is_self_contained(text)
    measured = document(invoke("eval", model, picture, "--json"))["models"][0]["metrics"]
    assert tiles(text)["PSNR"] == f"{measured['psnr_db']:.2f} dB"
    assert tiles(text)["MSE"] == f"{measured['mse']:.4g}"
    assert "inr fit a.png -o a.safetensors --field siren" in text


def test_the_time_is_that_of_the_fits_document(picture: Path) -> None:
    args = ("--field", "siren", "--set", "field.width=16", "--steps", "2", "--threads", "1", "--no-progress")
    printed = invoke("fit", picture, *args, "-o", "m.safetensors", "--json")
    Path("m.json").write_text(printed.stdout)
    assert invoke("report", "m.safetensors", "-o", "r.html", "-q").stdout == "r.html\n"
    assert tiles(Path("r.html").read_text("utf-8"))["time"] == f"{document(printed)['seconds']:.3g} s"


def test_a_batch_is_a_table(picture: Path, picture_bytes: bytes) -> None:
    Path("photos").mkdir()
    for name in ("b.png", "c.png"):
        (Path("photos") / name).write_bytes(picture_bytes)
    args = ("--field", "siren", "--set", "field.width=16", "--steps", "2", "--threads", "1", "--no-progress")
    assert invoke("batch", "photos", "-o", "models", *args).exit_code == 0
    done = invoke("report", "models", "--signal", picture, "-o", "r.html", "--title", "Two")
    assert done.exit_code == 0, done.output
    text = Path("r.html").read_text("utf-8")
    head, *rows = cells(text)
    assert [row[0] for row in rows] == ["b", "c"]
    assert head[-1] == "time"
    assert all(row[-1].endswith(" s") for row in rows)
    assert "<h1>Two</h1>" in text


def test_a_compressed_model_counts_its_own_bytes(model: Path, picture: Path) -> None:
    done = invoke("compress", model, "-o", "a.inrz", "--no-verify", "--no-progress", "--threads", "1")
    assert done.exit_code == 0, done.output
    assert invoke("report", model, "a.inrz", "--signal", picture, "-o", "r.html").exit_code == 0
    _, *rows = cells(Path("r.html").read_text("utf-8"))
    assert (
        f"{Path('a.inrz').stat().st_size} B" in rows[1] or f"{Path('a.inrz').stat().st_size / 1e3:,.1f} kB" in rows[1]
    )


def test_pipes(model: Path, picture: Path) -> None:
    done = invoke("report", "-", "--signal", picture, "-o", "-", stdin=model.read_bytes())
    assert done.exit_code == 0, done.output
    assert is_self_contained(done.stdout)
    assert "target" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("none.safetensors",), 3, "cannot read 'none.safetensors': no such file"),
        (("a.png",), 3, "'a.png' is not an inr model"),
        (("empty",), 3, "folder 'empty' has no fit"),
        (("a.safetensors", "-o", "r.txt"), 2, "has suffix '.txt', expected one of .html .htm"),
        (("a.safetensors", "-o", "none/r.html"), 2, "output folder 'none' does not exist"),
        (("a.safetensors", "-o", "there.html"), 2, "output 'there.html' exists"),
        (("a.safetensors", "--signal", "none.png"), 3, "cannot read 'none.png': no such file"),
        (("a.safetensors", "--signal", "tone.wav"), 3, "tone.wav"),
        (("a.safetensors", "--ntk", "none.json"), 3, "cannot read 'none.json': no such file"),
        (("a.safetensors", "--ntk", "a.png"), 3, "'a.png' is not a report of the tangent kernel"),
        (("-", "-"), 2, "- is given more than once"),
        ((), 2, "missing argument"),
    ],
)
def test_ends_clearly(
    args: tuple[str, ...], code: int, message: str, model: Path, picture: Path, sound: Path, here: Path
) -> None:
    (here / "empty").mkdir()
    (here / "there.html").write_text("kept")
    done = invoke("report", *args)
    assert done.exit_code == code, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert (here / "there.html").read_text() == "kept"
    assert not (here / "a.report.html").exists()
