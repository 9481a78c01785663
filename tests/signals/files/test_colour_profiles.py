"""The profile by which a picture is shown: littleCMS gives the colours that published profiles give, and notes else."""

from __future__ import annotations

import base64
import struct
from typing import Any

import numpy as np
import pytest

from inr.signals.files.colour_profiles import shown_profile
from inr.signals.files.thumbnails import in_srgb
from tests.colour_profiles import adobe_rgb, converted, display_p3, grey, linear_srgb, rec_2020

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
ADOBE_PLACES = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
ADOBE_CHUNKS = {"gAMA": f"{round(100000 * 256 / 563):08x}", "cHRM": struct.pack(">8I", *ADOBE_PLACES).hex()}


def stored(icc: bytes) -> str:
    return base64.b64encode(icc).decode()


@pytest.mark.parametrize(
    ("chunks", "icc"),
    [
        ({"cICP": "0c0d0001"}, display_p3()),
        ({"cICP": "090d0001"}, rec_2020()),
        ({"cICP": "01080001"}, linear_srgb()),
        ({"gAMA": f"{100000:08x}"}, linear_srgb()),
        (ADOBE_CHUNKS, adobe_rgb()),
    ],
    ids=["display-p3", "bt2020", "linear", "gamma", "adobe"],
)
def test_chunks_become_a_profile_of_the_same_colours(chunks: dict[str, str], icc: bytes) -> None:
    made, note = shown_profile({"icc": None, "colour_chunks": chunks}, 3)
    assert made is not None
    assert note is None
    expected = converted(PIXELS, icc).astype(int)
    assert np.abs(expected - PIXELS).max() > 20
    assert np.abs(converted(PIXELS, made).astype(int) - expected).max() <= 2


def test_grey_has_the_curve_of_its_chunks() -> None:
    made, note = shown_profile({"colour_chunks": {"gAMA": f"{100000:08x}"}}, 1)
    assert made is not None
    assert note is None
    plane = PIXELS[..., 0]
    expected = converted(plane, grey(1.0)).astype(int)
    assert np.abs(converted(plane, made).astype(int) - expected).max() <= 2
    assert np.abs(in_srgb(PIXELS[..., :1], {"icc": stored(grey(1.0))}).astype(int) - expected[..., :1]).max() <= 2


def test_code_points_outrank_a_profile_and_a_profile_other_chunks() -> None:
    both = {"icc": stored(adobe_rgb()), "colour_chunks": {"cICP": "0c0d0001"}}
    made, _ = shown_profile(both, 3)
    assert made is not None
    assert np.abs(converted(PIXELS, made).astype(int) - converted(PIXELS, display_p3())).max() <= 2
    assert shown_profile({**both, "colour_chunks": {"gAMA": f"{100000:08x}"}}, 4) == (adobe_rgb(), None)
    assert shown_profile({"icc": stored(grey(1.8))}, 2) == (grey(1.8), None)
    assert shown_profile({}, 3) == shown_profile({"icc": None}, 1) == (None, None)


@pytest.mark.parametrize(
    "meta",
    [{"colour_chunks": {"cICP": code}} for code in ("09100001", "09120001", "0c0d0000", "0c0d0101", "ff0d0001")]
    + [{"icc": stored(b"a colour profile")}, {"icc": stored(grey(2.2))}, {"icc": stored(adobe_rgb()[:200])}]
    + [{"colour_chunks": {"gAMA": "00000001"}}, {"colour_chunks": {"mDCV": "00" * 24}}]
    + [{"colour_chunks": {"cHRM": "00" * 32}}, {"colour_chunks": {"cHRM": "00000001" * 8}}],
)
def test_other_colours_give_a_note(meta: dict[str, Any]) -> None:
    """PQ, HLG, values in a part of the range, luma, unknown primaries, profiles that are damaged or of grey."""
    icc, note = shown_profile(meta, 3)
    assert icc is None
    assert note is not None
    assert "shown as sRGB" in note
    assert (in_srgb(PIXELS, meta) == PIXELS).all()
