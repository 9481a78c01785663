"""The ICC profile that says what a picture's numbers mean as colours: its own, or one made of a PNG's chunks; no torch.

A profile of a matrix and curves (ICC.1:2010, sections 8.4 and 9.2): linear light by a curve for each channel, then XYZ
for illuminant D50 by a matrix. Primaries become that matrix by x, y -> x / y, 1, (1 - x - y) / y, scaled so that they
add up to the white point, which the Bradford matrix takes to D50. Code points of cICP are those of ITU-T H.273.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inr.signals.files import png as _png

Matrix = np.ndarray[Any, np.dtype[np.float64]]

_WHITE_65 = (0.3127, 0.3290)
_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: Mapping[int, tuple[Sequence[float], tuple[float, float]]] = {
    1: (_SRGB, _WHITE_65),
    5: ((0.64, 0.33, 0.29, 0.60, 0.15, 0.06), _WHITE_65),
    6: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _WHITE_65),
    7: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _WHITE_65),
    9: ((0.708, 0.292, 0.17, 0.797, 0.131, 0.046), _WHITE_65),
    11: ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), (0.314, 0.351)),
    12: ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), _WHITE_65),
}
"""Code points: x and y of red, green and blue, and of white."""

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_VIDEO_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: Mapping[int, Sequence[float]] = {
    1: _VIDEO_CURVE, 4: (2.2,), 5: (2.8,), 6: _VIDEO_CURVE, 8: (1.0,), 13: _SRGB_CURVE, 14: _VIDEO_CURVE,
    15: _VIDEO_CURVE,
}  # fmt: skip
"""Code points: the numbers of a parametric curve, its exponent first. PQ and HLG have no place in such a profile."""

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def shown_profile(meta: Mapping[str, Any], channels: int) -> tuple[bytes | None, str | None]:
    """The profile by which a picture of 1 to 4 channels is shown, None for sRGB; and a note if it cannot be.

    meta: of the picture: `icc`, and `colour_chunks` of a PNG, of which cICP outranks a profile, and that the others.
    """
    chunks = _png.colours_in(meta.get("colour_chunks"))
    is_grey = channels < 3
    if meta.get("icc") and "cICP" not in chunks:
        icc = base64.b64decode(meta["icc"])
        why = _refusal(icc, is_grey=is_grey)
        return (icc, None) if why is None else (None, f"the colour profile {why}: the colours are shown as sRGB")
    if not chunks:
        return None, None
    found = _of_cicp(chunks["cICP"]) if "cICP" in chunks else _of_gamma(chunks)
    if found is None:
        return None, f"colours of {_png.in_words(chunks)} cannot be shown here, and are shown as sRGB"
    matrix, curve = found
    return _profile(None if is_grey else matrix, curve), None


def _refusal(icc: bytes, *, is_grey: bool) -> str | None:
    from PIL import ImageCms

    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return "cannot be read"
    wanted = "GRAY" if is_grey else "RGB"
    return None if space == wanted else f"is one for {space} and the picture is {wanted}"


def _of_cicp(text: str) -> tuple[Matrix, Sequence[float]] | None:
    """Values of RGB in the full range only."""
    primaries, transfer, matrix, is_full = bytes.fromhex(text)
    if primaries not in _PRIMARIES or transfer not in _CURVES or matrix != 0 or is_full != 1:
        return None
    return _to_d50(*_PRIMARIES[primaries]), _CURVES[transfer]


def _of_gamma(chunks: Mapping[str, str]) -> tuple[Matrix, Sequence[float]] | None:
    """gAMA and cHRM; what is missing is that of sRGB."""
    curve: Sequence[float] = _SRGB_CURVE
    if "gAMA" in chunks:
        gamma = int(chunks["gAMA"], 16) / 100000
        if not 0.1 < gamma < 10:
            return None
        curve = (1 / gamma,)
    if "cHRM" not in chunks:
        return (_to_d50(*_PRIMARIES[1]), curve) if "gAMA" in chunks else None
    numbers = [n / 100000 for n in struct.unpack(">8I", bytes.fromhex(chunks["cHRM"]))]
    if min(numbers[1::2]) <= 0:
        return None
    try:
        matrix = _to_d50(numbers[2:], (numbers[0], numbers[1]))
    except np.linalg.LinAlgError:
        return None
    return (matrix, curve) if np.abs(matrix).max() < 4 else None


def _to_d50(primaries: Sequence[float], white: tuple[float, float]) -> Matrix:
    """Columns: XYZ of the primaries, adapted to D50."""
    colours = np.array([_xyz(x, y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    own = np.array(_xyz(*white))
    scaled = colours * np.linalg.solve(colours, own)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ own)
    adapted: Matrix = np.linalg.inv(_BRADFORD) @ (gains[:, None] * (_BRADFORD @ scaled))
    return adapted


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _profile(matrix: Matrix | None, curve: Sequence[float]) -> bytes:
    """A display profile, of grey if there is no matrix."""
    kind = {1: 0, 5: 3}[len(curve)]
    shape = b"para" + struct.pack(">IHH", 0, kind, 0) + _numbers(curve)
    tags = {b"desc": _text("colours of a PNG"), b"cprt": _text("none"), b"wtpt": b"XYZ \0\0\0\0" + _numbers(_D50)}
    if matrix is None:
        tags[b"kTRC"] = shape
    else:
        for colour, column in zip((b"r", b"g", b"b"), matrix.T, strict=True):
            tags[colour + b"XYZ"] = b"XYZ \0\0\0\0" + _numbers(column)
            tags[colour + b"TRC"] = shape
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    space = b"GRAY" if matrix is None else b"RGB "
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(data), b"none", 0x04200000, b"mntr", space, b"XYZ ", b"acsp")
    return head + bytes(28) + _numbers(_D50) + bytes(48) + table + data


def _numbers(values: Sequence[float] | Matrix) -> bytes:
    return b"".join(struct.pack(">i", round(65536 * float(value))) for value in values)


def _text(text: str) -> bytes:
    """One record of an mluc tag, in English."""
    words = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(words), 28) + words
