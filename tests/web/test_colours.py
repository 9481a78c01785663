"""Colours of the decoder in JavaScript: littleCMS's for profiles of a matrix and curves, and notes for others."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from inr.codec.container.file import Container
from tests.web.fields import WEIGHTS, file_of, picture, random_field
from tests.web.runner import WEB, decoded

GOLDEN = WEB.parent / "tests" / "codec" / "golden" / "pyramid-image.inrz"
D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
REC2020 = ((0.6735, 0.2790, -0.0019), (0.1656, 0.6753, 0.0300), (0.1251, 0.0456, 0.7966))
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SRGB_CURVE = struct.pack(
    ">4s4xHxx5i", b"para", 3, *(round(65536 * v) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)
POWER = struct.pack(">4s4xIHxx", b"curv", 1, round(2.19921875 * 256))
SAMPLED = struct.pack(">4s4xI256H", b"curv", 256, *(round(65535 * (i / 255) ** 1.8) for i in range(256)))
GAMMA = struct.pack(">4s4xHxxi", b"para", 0, round(65536 * 1.9))
PIECEWISE = struct.pack(">4s4xHxx4i", b"para", 2, *(round(65536 * v) for v in (2.0, 0.9, 0.05, 0.08)))


def profile(primaries: Sequence[Sequence[float]] | None, curve: bytes) -> bytes:
    """A profile of a matrix and one curve for all channels; without primaries, of grey."""

    def point(values: Sequence[float]) -> bytes:
        return struct.pack(">4s4x3i", b"XYZ ", *(round(65536 * v) for v in values))

    text = struct.pack(">4s4xI12x", b"desc", 0) + bytes(90)
    tags = {b"desc": text, b"wtpt": point(D50)}
    tags |= {name + b"XYZ": point(values) for name, values in zip((b"r", b"g", b"b"), primaries or (), strict=False)}
    tags |= {name + b"TRC": curve for name in ((b"k",) if primaries is None else (b"r", b"g", b"b"))}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    space = b"GRAY" if primaries is None else b"RGB "
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"none", 0x04000000, b"mntr", space, b"XYZ ", b"acsp")
    head += bytes(28) + struct.pack(">3i", *(round(65536 * v) for v in D50)) + bytes(48)
    return head + table + body


def painted(
    path: Path, icc: bytes | None, meta: dict[str, Any] | None = None, data: bytes | None = None
) -> tuple[dict[str, Any], Any, Any]:
    """What is told of the golden picture, or of `data`, with other colours, its own pixels, and those for a canvas."""
    container = Container.read(GOLDEN.read_bytes() if data is None else data)
    document = None if meta is None else json.dumps(meta).encode()
    path.write_bytes(dataclasses.replace(container, icc=icc, meta=document).to_bytes())
    (found,) = decoded([path])
    shape = found["height"], found["width"]
    shown = np.fromfile(f"{path}.rgba", np.uint8).reshape(*shape, 4)
    assert (shown[..., 3] == 255).all()
    return found, np.fromfile(f"{path}.raw", np.uint8).reshape(*shape, -1), shown[..., :3]


def converted(pixels: Any, source: bytes, target: bytes) -> Any:
    """littleCMS's pixels."""
    given, wanted = (ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (source, target))
    found = ImageCms.profileToProfile(
        Image.fromarray(pixels), given, wanted, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
    )
    assert found is not None
    return np.asarray(found)


def grey() -> bytes:
    header = picture(32, 24, 1)
    return file_of(random_field("dense_grid", ("encoding.levels=2",), header), header, WEIGHTS)


@pytest.mark.parametrize(
    "curve", [POWER, SAMPLED, GAMMA, PIECEWISE, SRGB_CURVE], ids=["power", "samples", "gamma", "piecewise", "srgb"]
)
def test_other_colours_become_those_of_display_p3(curve: bytes, tmp_path: Path) -> None:
    icc = profile(ADOBE, curve)
    found, own, shown = painted(tmp_path / "a.inrz", icc)
    assert (found["colorSpace"], found["note"]) == ("display-p3", None)
    expected = converted(own, icc, profile(P3, SRGB_CURVE)).astype(int)
    assert np.abs(shown - expected).max() <= 2
    assert np.abs(shown.astype(int) - own).max() > 2


@pytest.mark.parametrize(("primaries", "space"), [(SRGB, "srgb"), (P3, "display-p3")])
def test_colours_of_a_canvas_stay_as_they_are(primaries: Any, space: str, tmp_path: Path) -> None:
    found, own, shown = painted(tmp_path / "a.inrz", profile(primaries, SRGB_CURVE))
    assert (found["colorSpace"], found["note"]) == (space, None)
    assert (shown == own).all()
    found, own, shown = painted(tmp_path / "b.inrz", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert (found["colorSpace"], found["note"]) == ("srgb", None)
    assert (shown == own).all()


@pytest.mark.parametrize(
    "curve", [POWER, SAMPLED, GAMMA, PIECEWISE, SRGB_CURVE], ids=["power", "samples", "gamma", "piecewise", "srgb"]
)
def test_grey_of_a_profile_becomes_that_of_srgb(curve: bytes, tmp_path: Path) -> None:
    icc = profile(None, curve)
    found, own, shown = painted(tmp_path / "a.inrz", icc, data=grey())
    assert (found["colorSpace"], found["note"]) == ("srgb", None)
    expected = converted(own[..., 0], icc, profile(SRGB, SRGB_CURVE)).astype(int)
    assert np.ptp(own) > 40
    assert np.abs(shown - expected).max() <= 2
    assert bool((shown == own).all()) == (curve is SRGB_CURVE)


def test_grey_has_the_curve_of_chunks_and_notes_as_colours_have(tmp_path: Path) -> None:
    own_gamma = {"colour_chunks": {"gAMA": f"{100000:08x}"}}
    found, own, shown = painted(tmp_path / "a.inrz", None, own_gamma, grey())
    expected = converted(own[..., 0], profile(None, struct.pack(">4s4xI", b"curv", 0)), profile(SRGB, SRGB_CURVE))
    assert (found["colorSpace"], found["note"]) == ("srgb", None)
    assert np.abs(shown - expected.astype(int)).max() <= 2
    for icc in (b"a colour profile", profile(ADOBE, POWER), profile(None, b"none" + bytes(20))):
        found, own, shown = painted(tmp_path / "b.inrz", icc, data=grey())
        assert "shown as sRGB" in found["note"]
        assert (shown == own).all()
    assert painted(tmp_path / "c.inrz", profile(SRGB, SRGB_CURVE), data=grey())[0]["note"] is None


def test_profiles_that_are_not_understood_are_told(tmp_path: Path) -> None:
    good = profile(ADOBE, POWER)
    lab = good[:20] + b"Lab " + good[24:]
    for icc in (b"a colour profile", good[:200], lab, profile(None, POWER)):
        found, own, shown = painted(tmp_path / "a.inrz", icc)
        assert found["colorSpace"] == "srgb"
        assert "shown as sRGB" in found["note"]
        assert (shown == own).all()


def test_code_points_of_a_png_are_colours_too(tmp_path: Path) -> None:
    found, own, shown = painted(tmp_path / "a.inrz", None, {"colour_chunks": {"cICP": "0c0d0001"}})
    assert found["colorSpace"] == "display-p3"
    assert (shown == own).all()
    found, own, shown = painted(tmp_path / "b.inrz", None, {"colour_chunks": {"gAMA": f"{100000:08x}"}})
    expected = converted(own, profile(SRGB, struct.pack(">4s4xI", b"curv", 0)), profile(P3, SRGB_CURVE)).astype(int)
    assert found["colorSpace"] == "display-p3"
    assert np.abs(shown - expected).max() <= 2
    found, own, shown = painted(tmp_path / "c.inrz", None, {"colour_chunks": {"cICP": "ffff0001"}})
    assert (found["colorSpace"], (shown == own).all()) == ("srgb", True)
    assert "shown as sRGB" in found["note"]


def test_wide_code_points_and_primaries_become_those_of_display_p3(tmp_path: Path) -> None:
    """Of BT.2020 with the curve of sRGB, which outrank a profile; of gAMA and cHRM with the numbers of Adobe RGB."""
    target = profile(P3, SRGB_CURVE)
    wide = {"colour_chunks": {"cICP": "090d0001"}}
    for icc in (None, profile(ADOBE, POWER)):
        found, own, shown = painted(tmp_path / "a.inrz", icc, wide)
        assert (found["colorSpace"], found["note"]) == ("display-p3", None)
        expected = converted(own, profile(REC2020, SRGB_CURVE), target).astype(int)
        assert np.abs(expected - own).max() > 10
        assert np.abs(shown - expected).max() <= 2
    places = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    chunks = {"gAMA": f"{round(100000 / 2.19921875):08x}", "cHRM": struct.pack(">8I", *places).hex()}
    found, own, shown = painted(tmp_path / "b.inrz", None, {"colour_chunks": chunks})
    assert (found["colorSpace"], found["note"]) == ("display-p3", None)
    assert np.abs(shown - converted(own, profile(ADOBE, POWER), target).astype(int)).max() <= 2


@pytest.mark.parametrize("code", ["09100001", "09120001", "0c0d0000", "0c0d0101", "040d0001", "00"])
def test_code_points_that_a_canvas_cannot_show_are_told(code: str, tmp_path: Path) -> None:
    """PQ, HLG, values in a part of the range, luma, primaries that are not known, and damage."""
    found, own, shown = painted(tmp_path / "a.inrz", None, {"colour_chunks": {"cICP": code}})
    assert (found["colorSpace"], (shown == own).all()) == ("srgb", True)
    assert "shown as sRGB" in found["note"]
