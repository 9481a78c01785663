"""imageio reads the golden files of pictures and videos through the plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from inr.codec import decompress
from inr.plugins.imageio import InrzPlugin

PLUGIN: Any = InrzPlugin  # imageio's types allow names alone
GOLDEN = Path(__file__).parents[1] / "codec" / "golden"


def expected(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    found: np.ndarray[Any, np.dtype[np.uint8]] = np.rint(
        255 * np.clip(decompress(GOLDEN / name).values(), 0, 1)
    ).astype(np.uint8)
    return found


def test_a_picture_by_its_suffix_and_from_bytes() -> None:
    name = "pyramid-image.inrz"
    assert np.array_equal(iio.imread(GOLDEN / name), expected(name))
    assert np.array_equal(iio.imread((GOLDEN / name).read_bytes(), plugin=PLUGIN), expected(name))
    found = iio.improps(GOLDEN / name)
    assert (found.shape, found.dtype) == (expected(name).shape, np.uint8)
    assert iio.immeta(GOLDEN / name)["kind"] == "image"


def test_a_video_frame_by_frame_and_whole() -> None:
    frames = expected("grids-video.inrz")
    path = GOLDEN / "grids-video.inrz"
    assert np.array_equal(iio.imread(path, index=2), frames[2])
    assert np.array_equal(iio.imread(path, index=None), frames)
    assert np.array_equal(np.stack(list(iio.imiter(path))), frames)
    assert iio.improps(path, index=None).n_images == len(frames)
    assert iio.improps(path, index=0).shape == frames.shape[1:]


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r".+"):
        iio.imread((GOLDEN / "grids-audio.inrz").read_bytes(), plugin=PLUGIN)
    with pytest.raises(OSError, match=r".+"):
        iio.imread((GOLDEN / "pyramid-image.inrz").read_bytes()[:90], plugin=PLUGIN)
    with pytest.raises(OSError, match=r".+"):
        iio.imwrite(tmp_path / "a.inrz", np.zeros((8, 8, 3), np.uint8), plugin=PLUGIN)
    with pytest.raises(IndexError, match="one picture"):
        iio.imread(GOLDEN / "pyramid-image.inrz", index=3)
