"""Colour profiles for tests, and what their colours are in sRGB."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageCms

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# Colorants of Adobe RGB (1998) for D50, as its profile has them, and its exponent 563/256.
_ADOBE = {"r": (0.60974, 0.31111, 0.01947), "g": (0.20528, 0.62567, 0.06087), "b": (0.14919, 0.06322, 0.74457)}
_WHITE = (0.9642, 1.0, 0.8249)
_GAMMA = 563 / 256


def adobe_rgb() -> bytes:
    """A display profile of version 2 with the primaries and the exponent of Adobe RGB (1998)."""
    tags = {b"wtpt": _xyz(_WHITE), b"desc": _text(b"wide"), b"cprt": b"text\0\0\0\0none\0"}
    for colour, place in _ADOBE.items():
        tags[f"{colour}XYZ".encode()] = _xyz(place)
        tags[f"{colour}TRC".encode()] = b"curv" + struct.pack(">IIH", 0, 1, round(_GAMMA * 256))
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", start + len(data), len(content))
        data += padded
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s4sIIIQI", 2026, 1, 1, 0, 0, 0, b"acsp", b"APPL", 0, 0, 0, 0, 0) + _numbers(_WHITE)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def shown_in_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """By littleCMS, relative colorimetric with black point compensation."""
    found = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
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
