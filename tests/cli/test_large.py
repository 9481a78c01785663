"""Pictures read tile by tile, and renderings written band by band, by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inr.signals.files.picture_writing import quantised
from tests.cli.conftest import TINY, document, invoke


def test_a_picture_in_tiles_is_fitted_and_rendered_in_parts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[0:300, 0:280]
    pixels = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    tifffile.imwrite("a.tif", pixels, tile=(64, 64), photometric="rgb", compression="zlib")
    args = ("fit", "a.tif", *TINY, "--steps", "4", "--set", "signal.read=tiles", "--set", "signal.measure=3", "--json")
    fitted = invoke(*args)
    assert fitted.exit_code == 0, fitted.output
    assert "metrics are of 3 of its 25 tiles" in fitted.stderr
    assert document(fitted)["fit"]["sampler"]["type"] == "tiles"
    assert set(document(fitted)["metrics"]) == {"psnr_db", "mse"}
    for suffix in (".npy", ".tif", ".png", ".jpg", ".webp"):
        assert invoke("render", "a.safetensors", "-o", f"whole{suffix}").exit_code == 0
        with monkeypatch.context() as patch:
            patch.setattr("inr.signals.files.bands.BAND_VALUES", 5000)
            parts = invoke("render", "a.safetensors", "-o", f"parts{suffix}", "--json")
        assert parts.exit_code == 0, parts.output
        assert document(parts)["bytes"] == Path(f"parts{suffix}").stat().st_size
        assert document(parts)["shape"] == [280, 300]
        assert Path(f"parts{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()
    with tifffile.TiffFile("parts.tif") as tiff:
        assert tiff.pages.first.is_tiled


def test_a_rendering_that_fails_half_way_leaves_no_file(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke("fit", picture, *TINY, "-o", "a.safetensors").exit_code == 0
    for suffix in (".npy", ".png", ".jpg"):
        with monkeypatch.context() as patch:
            patch.setattr("inr.signals.files.bands.BAND_VALUES", 100)
            patch.setattr("inr.signals.files.picture_writing.quantised", Failing(after=3))
            result = invoke("render", "a.safetensors", "-o", f"failed{suffix}")
        assert result.exit_code != 0
        assert not Path(f"failed{suffix}").exists()
    assert [path.name for path in Path().iterdir() if "inr-" in path.name] == []


class Failing:
    """A function that fails after so many calls, as an evaluation does without memory."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, values: np.ndarray[Any, Any], dtype: str) -> Any:
        self.left -= 1
        if self.left < 0:
            raise MemoryError
        return quantised(values, dtype)


def test_impossible_signal_options_are_refused(picture: Path) -> None:
    for option in ("read=tils", "read=tiles", "measure=x", "reed=auto"):
        result = invoke("fit", picture, *TINY, "--set", f"signal.{option}")
        assert result.exit_code == 2, result.output
        assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
