"""What a notebook shows of a fit."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image as Pillow

from inr.fitting import Fit, Run, resolve
from inr.signals import Signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from tests.colour_profiles import adobe_rgb

SIREN = {"type": "siren", "width": 8, "depth": 1}


def shown(signal: Signal) -> tuple[Fit, dict[str, Any]]:
    run = Run(signal, *resolve(signal, SIREN, {"steps": 2}))
    fit = run.result(run.advance())
    return fit, fit._repr_mimebundle_()


def test_a_picture_is_a_png_with_its_profile() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    fit, found = shown(Image.of_pixels(pixels, icc=adobe_rgb()))
    picture = Pillow.open(io.BytesIO(base64.b64decode(found["image/png"])))
    assert np.array_equal(np.asarray(picture), np.rint(255 * np.clip(fit.render()[0], 0, 1)).astype(np.uint8))
    assert picture.info["icc_profile"] == adobe_rgb()
    assert found["text/plain"].startswith(f"siren: 16 x 12, {fit.field.n_params} parameters, 2 steps, psnr_db ")


def test_a_large_picture_is_made_smaller() -> None:
    _, found = shown(Image.of_pixels(np.zeros((40, 1024, 1), np.uint8)))
    assert Pillow.open(io.BytesIO(base64.b64decode(found["image/png"]))).size == (512, 20)


def test_a_sound_can_be_played() -> None:
    _, found = shown(Audio.of_samples(np.sin(np.arange(800, dtype=np.float32))[:, None], 8000))
    sound = found["text/html"].partition("data:audio/wav;base64,")[2].partition('"')[0]
    assert base64.b64decode(sound)[:4] == b"RIFF"


def test_anything_else_is_a_line() -> None:
    _, found = shown(Array.of_array(np.arange(24, dtype=np.float32).reshape(2, 3, 4)))
    assert found.keys() == {"text/plain"}
