"""Large pictures: a sample and tiles, here small ones so that the tests are quick."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

import inr
from inr.codec.compression_input import load_input
from inr.codec.compression_settings import CompressionSettings
from inr.codec.encode import compress_input
from inr.codec.encoding_control import EncodingControl
from inr.codec.profiles.pyramid import encoder, sample, tiled_training
from inr.codec.profiles.pyramid.latent_trainer import RateController, Trainer
from inr.codec.profiles.pyramid.tiled_training import TileTrainer
from inr.core.errors import UsageError
from inr.signals.image import Image

SIDE = 128


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "LARGEST_SAMPLE", 1 << 14)
    monkeypatch.setattr(encoder, "SAMPLE_STEPS", 60)
    monkeypatch.setattr(sample, "PIXELS", 2 << 14)
    monkeypatch.setattr(tiled_training, "SIDE", SIDE)


def photograph() -> np.ndarray:
    from skimage.data import astronaut

    pixels: np.ndarray = astronaut()[:290, 100:420]
    return pixels


def compressed(**given: Any) -> inr.codec.Compressed:
    return inr.compress(Image.of_pixels(photograph()), effort=1, verify=False, **given)


@pytest.mark.usefixtures("small_tiles")
def test_tiles_have_no_seams_and_repeat_to_the_byte() -> None:
    done = compressed()
    assert done.metrics["psnr_db"] > 29
    error = np.square(inr.decompress(done.data).values() - photograph() / 255).mean(-1)
    at_seam = np.zeros(error.shape, bool)
    for edge in range(SIDE, max(error.shape), SIDE):
        at_seam[edge - 2 : edge + 2] = True
        at_seam[:, edge - 2 : edge + 2] = True
    inside = np.zeros(error.shape, bool)  # as far from an edge as a seam is from another
    for middle in range(SIDE // 2, max(error.shape), SIDE):
        inside[middle - 24 : middle + 24] = True
        inside[:, middle - 24 : middle + 24] = True
    assert error[at_seam].mean() < 1.5 * error[inside & ~at_seam].mean()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert len(compressed().data) == pytest.approx(len(done.data), rel=0.02)
        torch.set_num_threads(threads)
        assert compressed().data == done.data
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("aim", [{"target_psnr_db": 29.0}, {"bpp": 1.2}])
def test_targets_are_reached(aim: dict[str, float]) -> None:
    done = compressed(**aim)
    if "bpp" in aim:
        assert done.outcome == "done"
        assert done.bpp is not None
        assert 0.8 * aim["bpp"] < done.bpp <= aim["bpp"]
    else:
        assert abs(done.metrics["psnr_db"] - aim["target_psnr_db"]) < 1  # effort 1 may end just below, and says so
        assert (done.outcome == "done") == (done.metrics["psnr_db"] >= aim["target_psnr_db"])


@pytest.mark.usefixtures("small_tiles")
def test_grey_pictures_have_no_starting_point_and_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoder.STEPS, 1, 60)
    done = inr.compress(Image.of_pixels(photograph()[..., :1]), effort=1, verify=False)
    assert done.metrics["psnr_db"] > 25
    assert inr.decompress(done.data).values().shape == (290, 320, 1)


def test_a_tile_moves_its_own_latents_only(trained: Trainer) -> None:
    inside = [(slice(1, 3), slice(0, 2)), *[(slice(0, 1), slice(0, 1))] * 6]
    given = trained.architecture, trained.target, RateController(1e-3), Generator().manual_seed(0)
    tile = TileTrainer(*given, inside=inside)
    tile.soft(2)
    for x, where in zip(tile.latents, inside, strict=True):
        moved = x.detach() != 0
        assert moved[where].any()
        moved[where] = False
        assert not moved.any()


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("wanted", [{"is_kept": True}, {"is_saved": True}, {"save_every": 5}])
def test_an_encoding_in_parts_is_not_kept_or_saved(wanted: dict[str, Any]) -> None:
    given = load_input(Image.of_pixels(photograph()))
    with pytest.raises(UsageError, match="in parts, which is neither kept nor resumed"):
        compress_input(given, CompressionSettings(effort=1, verify=False), control=EncodingControl(**wanted))
