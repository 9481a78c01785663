"""Writing decoded signals: parts of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inr.codec import decompress
from inr.core.errors import UsageError

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("profile", ["pyramid", "grids", "weights"])
def test_a_crop_is_a_part_of_the_picture(profile: str, tmp_path: Path) -> None:
    decoded = decompress(GOLDEN / f"{profile}-image.inrz")
    columns, rows = decoded.header.shape
    decoded.save(tmp_path / "whole.png")
    whole = np.asarray(Image.open(tmp_path / "whole.png"))
    for crop in ((0, 0, columns, rows), (3, 2, columns - 4, rows - 5), (columns - 1, rows - 1, 1, 1)):
        x, y, width, height = crop
        decoded.save(tmp_path / "part.png", crop=crop)
        part = np.asarray(Image.open(tmp_path / "part.png"))
        np.testing.assert_array_equal(part, whole[y : y + height, x : x + width])


@pytest.mark.parametrize("crop", [(-1, 0, 2, 2), (0, 0, 0, 2), (0, 0, 10**6, 2), (0, 1, 1, 10**6)])
def test_a_crop_outside_is_refused(crop: tuple[int, int, int, int], tmp_path: Path) -> None:
    decoded = decompress(GOLDEN / "pyramid-image.inrz")
    with pytest.raises(UsageError, match="within the picture's"):
        decoded.save(tmp_path / "part.png", crop=crop)
    assert not list(tmp_path.iterdir())


def test_other_signals_have_no_crop(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a picture"):
        decompress(GOLDEN / "grids-audio.inrz").save(tmp_path / "part.wav", crop=(0, 0, 1, 1))
