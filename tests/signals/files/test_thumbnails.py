"""Thumbnails, and colours that go through a profile."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from inr.signals.files.thumbnails import in_srgb, thumbnail_of
from tests.colour_profiles import adobe_rgb, converted

META = {"dtype": "uint8", "icc": base64.b64encode(adobe_rgb()).decode()}


def test_a_green_of_adobe_rgb_is_another_one_in_srgb() -> None:
    pixels = np.full((4, 4, 3), (60, 200, 60), np.uint8)
    found = in_srgb(pixels, META)
    assert np.array_equal(found, converted(pixels, adobe_rgb()))
    assert np.abs(found.astype(int) - pixels).max() > 30


def test_alpha_stays_and_without_a_profile_nothing_changes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    found = in_srgb(pixels, META)
    assert np.array_equal(found[..., 3], pixels[..., 3])
    assert np.array_equal(found[..., :3], converted(pixels[..., :3], adobe_rgb()))
    assert in_srgb(pixels, {"icc": None}) is pixels


def test_profiles_that_do_not_fit_are_ignored() -> None:
    grey = np.full((3, 3, 1), 90, np.uint8)
    assert in_srgb(grey, META) is grey
    colour = np.full((3, 3, 3), 90, np.uint8)
    assert in_srgb(colour, {"icc": base64.b64encode(b"no profile").decode()}) is colour


def test_a_thumbnail_is_small_and_in_srgb() -> None:
    values = np.full((50, 200, 3), (60, 200, 60), np.float32) / 255
    picture = Image.open(io.BytesIO(thumbnail_of(values, META, 64)))
    assert picture.size == (64, 16)
    expected = converted(np.full((1, 1, 3), (60, 200, 60), np.uint8), adobe_rgb())[0, 0]
    assert np.array_equal(np.asarray(picture)[8, 30], expected)
    assert Image.open(io.BytesIO(thumbnail_of(values[:4, :5], {"dtype": "float32"}, 64))).size == (5, 4)
