"""Picture problems from files and parts, and what does not go together."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from inr.core.errors import InrError
from inr.solving.pictures import PictureProblem

FILE = """
[problem]
kind = "picture"
task = "clone"
target = "target.png"
source = "source.png"
mask = "mask.png"
at = [10, 8]
[solve]
method = "direct"
"""


def changed(**entries: Any) -> dict[str, Any]:
    document = tomllib.loads(FILE)
    document["problem"] |= entries
    return document


def test_a_file_says_the_same_as_its_parts(pictures: Path) -> None:
    one = PictureProblem.of_document(tomllib.loads(FILE), pictures).solve()
    two = PictureProblem.of("clone", "target.png", "source.png", mask="mask.png", at=(10, 8)).solve()
    assert (one.values == two.values).all()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed(task="copy"), "unknown picture task 'copy'"),
        (changed(task=3), "has task = 3"),
        (changed(at="10,8"), "at is '10,8', expected two whole numbers"),
        (changed(source="../source.png"), "outside the folder"),
        (changed(sauce="a"), "unknown entry 'sauce'"),
        (changed(task="inpaint"), "unknown entry 'target'|unknown entry 'source'"),
        (changed() | {"axes": {}}, r"no table \[axes\]"),
        (changed(mask="none.png"), "no such file"),
        (changed() | {"solve": {"method": "magic"}}, "method is 'magic'"),
    ],
)
def test_files_that_do_not_make_sense(pictures: Path, document: dict[str, Any], message: str) -> None:
    with pytest.raises(InrError, match=message):
        PictureProblem.of_document(document, pictures)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": "hole.png"}, "mask 'hole.png' is 48x40 pixels, expected the 24x20 of 'source.png'"),
        ({"at": (48, 0)}, "at is 48,0: the 24x20 pixels of 'source.png' lie outside 'target.png' (48x40)"),
        ({"at": (-24, 0)}, "lie outside"),
        ({"mask": "nothing.png"}, "mask 'nothing.png' selects no pixel"),
        ({"mask": "mask.png", "at": (44, 0)}, "no selected pixel of 'source.png' lies on 'target.png'"),
    ],
)
def test_places_and_masks_that_do_not_fit(pictures: Path, given: dict[str, Any], message: str) -> None:
    Pillow.new("L", (24, 20)).save("nothing.png")
    with pytest.raises(InrError) as error:
        PictureProblem.of("clone", "target.png", "source.png", **given).solve()
    assert message in error.value.message


def test_a_source_that_covers_everything_is_refused(pictures: Path) -> None:
    with pytest.raises(InrError, match="no border is left"):
        PictureProblem.of("clone", "source.png", "target.png").solve()


def test_a_part_outside_is_left_out_with_a_note(pictures: Path) -> None:
    solution = PictureProblem.of("clone", "target.png", "source.png", at=(40, 30)).solve()
    assert solution.n_free == 80
    assert "400 of 480 selected pixels lie outside target.png" in solution.notes[0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_kinds_of_pixels(pictures: Path, mode: str) -> None:
    """The target says what is written: grey, alpha and 16 bits stay; the source's alpha is a mask."""
    target = Pillow.open("target.png")
    if mode == "I;16":
        Pillow.fromarray(np.asarray(target.convert("L")).astype(np.uint16) * 257).save("t.png")
    else:
        target.convert(mode).save("t.png")
    source = Pillow.open("source.png").convert("RGBA")
    source.putalpha(Pillow.open("mask.png"))
    source.save("s.png")
    solution = PictureProblem.of("clone", "t.png", "s.png", at=(5, 5)).solve()
    assert solution.values.shape[2] == {"L": 1, "RGBA": 4, "I;16": 1}[mode]
    assert solution.meta["dtype"] == ("uint16" if mode == "I;16" else "uint8")
    assert solution.n_free == int((np.asarray(Pillow.open("mask.png")) > 127).sum())
    assert any("luminance" in note for note in solution.notes) == (mode != "RGBA")
    if mode == "RGBA":
        assert (solution.values[..., 3] == 1).all()


def test_numbers_of_files_and_options(pictures: Path) -> None:
    for task, files, given, message in [
        ("clone", ("target.png",), {}, "clone was given 1 files, expected 2"),
        ("inpaint", ("target.png",), {}, "inpaint needs a mask"),
        ("tone", ("target.png",), {"mask": "hole.png"}, "tone takes no mask"),
        ("inpaint", ("target.png",), {"mask": "hole.png", "at": (1, 1)}, "a place has no meaning"),
    ]:
        with pytest.raises(InrError, match=message):
            PictureProblem.of(task, *files, **given)  # type: ignore[arg-type]  # of several types
