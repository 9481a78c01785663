"""Colour profiles for tests, and what their colours are in sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageCms

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# Colorants for D50, as profiles have them.
_ADOBE = {"r": (0.60974, 0.31111, 0.01947), "g": (0.20528, 0.62567, 0.06087), "b": (0.14919, 0.06322, 0.74457)}
_P3 = {"r": (0.5151, 0.2412, -0.0011), "g": (0.2920, 0.6922, 0.0419), "b": (0.1571, 0.0666, 0.7841)}
_SRGB = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7141)}
_REC_2020 = {"r": (0.6735, 0.2790, -0.0019), "g": (0.1656, 0.6753, 0.0300), "b": (0.1251, 0.0456, 0.7966)}
_WHITE = (0.9642, 1.0, 0.8249)
_GAMMA = 563 / 256
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def adobe_rgb() -> bytes:
    """A display profile of version 2 with the primaries and the exponent of Adobe RGB (1998)."""
    return _profile(_ADOBE, b"curv" + struct.pack(">IIH", 0, 1, round(_GAMMA * 256)), 0x02100000)


def display_p3() -> bytes:
    """A display profile of version 4 with the primaries of Display P3 and the curve of sRGB."""
    return _profile(_P3, b"para" + struct.pack(">IHH", 0, 3, 0) + _numbers(_SRGB_CURVE), 0x04000000)


def rec_2020() -> bytes:
    """A display profile with the primaries of ITU-R BT.2020 and the curve of sRGB."""
    return _profile(_REC_2020, b"para" + struct.pack(">IHH", 0, 3, 0) + _numbers(_SRGB_CURVE), 0x04000000)


def linear_srgb() -> bytes:
    """A profile of linear light with the primaries of sRGB."""
    return _profile(_SRGB, b"curv" + struct.pack(">II", 0, 0), 0x02100000)


def grey(gamma: float) -> bytes:
    """A profile of grey with an exponent."""
    return _profile({}, b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)), 0x02100000)


def _profile(primaries: Mapping[str, tuple[float, ...]], curve: bytes, version: int) -> bytes:
    """Of grey, if there are no primaries."""
    tags = {b"wtpt": _xyz(_WHITE), b"desc": _text(b"wide"), b"cprt": b"text\0\0\0\0none\0"}
    if not primaries:
        tags[b"kTRC"] = curve
    for colour, place in primaries.items():
        tags[f"{colour}XYZ".encode()] = _xyz(place)
        tags[f"{colour}TRC".encode()] = curve
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", start + len(data), len(content))
        data += padded
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"none", version, b"mntr", b"RGB " if primaries else b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s4sIIIQI", 2026, 1, 1, 0, 0, 0, b"acsp", b"APPL", 0, 0, 0, 0, 0) + _numbers(_WHITE)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def converted(pixels: Pixels, profile: bytes, target: bytes | None = None) -> Pixels:
    """By littleCMS, relative colorimetric with black point compensation. target: another profile than sRGB's."""
    found = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB") if target is None else ImageCms.ImageCmsProfile(io.BytesIO(target)),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert found is not None
    return np.asarray(found)


def _numbers(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _text(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 80
