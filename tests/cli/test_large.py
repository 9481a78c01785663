"""Pictures read tile by tile, and renderings written in parts, by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

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
    for suffix in (".npy", ".tif"):
        assert invoke("render", "a.safetensors", "-o", f"whole{suffix}").exit_code == 0
        with monkeypatch.context() as patch:
            patch.setattr("inr_cli.render.LARGE", 0)
            parts = invoke("render", "a.safetensors", "-o", f"parts{suffix}", "--json")
        assert parts.exit_code == 0, parts.output
        assert document(parts)["bytes"] == Path(f"parts{suffix}").stat().st_size
        assert document(parts)["shape"] == [280, 300]
    assert np.array_equal(np.load("whole.npy"), np.load("parts.npy"))
    assert np.array_equal(tifffile.imread("whole.tif"), tifffile.imread("parts.tif"))
    with tifffile.TiffFile("parts.tif") as tiff:
        assert tiff.pages.first.is_tiled


def test_impossible_signal_options_are_refused(picture: Path) -> None:
    for option in ("read=tils", "read=tiles", "measure=x", "reed=auto"):
        result = invoke("fit", picture, *TINY, "--set", f"signal.{option}")
        assert result.exit_code == 2, result.output
        assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
