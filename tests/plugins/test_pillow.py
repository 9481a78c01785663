"""Pillow opens the golden files of pictures, and refuses others as it refuses other formats."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import inr.plugins.pillow  # registers the plug-in
from inr.codec import decompress

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"
PICTURES = [*sorted(path.name for path in GOLDEN.glob("*-image*.inrz")), "pyramid-plain.inrz"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_the_pixels_of_the_decoder(name: str) -> None:
    with Image.open(GOLDEN / name) as found:
        assert (found.format, found.get_format_mimetype()) == ("INRZ", inr.plugins.pillow.MIME)
        decoded = decompress(GOLDEN / name)
        assert found.size == decoded.header.shape
        pixels = np.asarray(found)
    expected = np.rint(255 * np.clip(decoded.values(), 0, 1)).astype(np.uint8)
    assert np.array_equal(pixels.reshape(expected.shape), expected)


def test_thumbnails_conversions_and_saving_work() -> None:
    found = Image.open(GOLDEN / "pyramid-image.inrz")
    found.thumbnail((16, 16))
    assert max(found.size) == 16
    file = io.BytesIO()
    Image.open(io.BytesIO((GOLDEN / "pyramid-image.inrz").read_bytes())).convert("L").save(file, "PNG")
    assert Image.open(file).mode == "L"


def test_a_whole_file_is_verified_and_a_damaged_one_is_an_os_error() -> None:
    data = (GOLDEN / "pyramid-image.inrz").read_bytes()
    Image.open(io.BytesIO(data)).verify()
    for damaged in (data[:100], data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(OSError, match=r"the file|checksum|bytes"):
            Image.open(io.BytesIO(damaged)).load()


def test_sounds_and_shapes_are_no_pictures() -> None:
    for name in ("grids-audio.inrz", "weights-shape.inrz"):
        with pytest.raises(UnidentifiedImageError):
            Image.open(GOLDEN / name)
