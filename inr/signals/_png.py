"""16-bit PNG, which Pillow reduces to 8 bits when there is more than one channel: a small reader and writer.

Source: Portable Network Graphics Specification, third edition (W3C 2025), sections 5, 7, 9 and 10.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint16]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_CHANNELS = {colour: channels for channels, colour in _COLOUR_TYPES.items()}
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def is_16_bit(data: bytes) -> bool:
    """Whether these are the bytes of a PNG with 16 bits per sample."""
    return data[:8] == SIGNATURE and data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def read_16_bit(data: bytes) -> Pixels:
    """Pixels [rows, columns, C] of a 16-bit PNG; a transparent colour (tRNS) becomes an alpha channel.

    Raises ValueError when the bytes are damaged.
    """
    chunks = _chunks(data)
    header = chunks[0][1]
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if depth != 16 or colour not in _CHANNELS or compression or filtering or interlace > 1 or not width or not height:
        raise ValueError("its header is not that of a 16-bit PNG")
    channels = _CHANNELS[colour]
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    shapes = [(-(-(height - r) // dr), -(-(width - c) // dc)) for r, c, dr, dc in passes]
    n_bytes = sum(rows * (1 + 2 * channels * columns) for rows, columns in shapes if rows > 0 and columns > 0)
    raw = zlib.decompressobj().decompress(b"".join(body for name, body in chunks if name == b"IDAT"), n_bytes)
    if len(raw) < n_bytes:
        raise ValueError(f"its data ends after {len(raw)} of {n_bytes} bytes")
    pixels = np.zeros((height, width, channels), np.uint16)
    at = 0
    for (rows, columns), (r, c, dr, dc) in zip(shapes, passes, strict=True):
        if rows <= 0 or columns <= 0:
            continue
        size = rows * (1 + 2 * channels * columns)
        lines = np.frombuffer(raw, np.uint8, size, at).reshape(rows, -1)
        plain = _unfilter(lines[:, 0], lines[:, 1:].reshape(rows, columns, 2 * channels))
        pixels[r::dr, c::dc] = plain.view(">u2")
        at += size
    for name, body in chunks:
        if name == b"tRNS" and channels in (1, 3):
            shown = (pixels != np.frombuffer(body, ">u2", channels)).any(-1, keepdims=True)
            pixels = np.concatenate([pixels, shown * np.uint16(65535)], axis=-1)
    return pixels


def write_16_bit(pixels: Pixels, icc: bytes | None = None) -> bytes:
    """The bytes of a PNG with 16 bits per sample; pixels [rows, columns, C] with C of 1 to 4; icc: a colour profile."""
    rows, columns, channels = pixels.shape
    plain = pixels.astype(">u2").view(np.uint8).reshape(rows, columns, 2 * channels)
    padded = np.zeros((rows + 1, columns + 1, 2 * channels), np.int16)
    padded[1:, 1:] = plain
    filtered = (plain - _paeth(padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1])).astype(np.uint8)
    lines = np.concatenate([np.full((rows, 1), 4, np.uint8), filtered.reshape(rows, -1)], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    profile = _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)) if icc else b""
    body = _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6))
    return SIGNATURE + _chunk(b"IHDR", header) + profile + body + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = len(SIGNATURE)
    while not found or found[-1][0] != b"IEND":
        if at + 12 > len(data):
            raise ValueError("it is truncated")
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(name + body)):
            raise ValueError(f"it is truncated or damaged in chunk {name!r}")
        found.append((name, body))
        at += 12 + length
    return found


def _paeth(left: Any, up: Any, corner: Any) -> Any:
    guess = left + up - corner
    to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))


def _unfilter(kinds: Bytes, filtered: Bytes) -> Bytes:
    """Undo the row filters. A byte needs its left and upper neighbours, so anti-diagonals are done at once."""
    rows, columns, step = filtered.shape
    if kinds.max() > 4:
        raise ValueError(f"row filter {kinds.max()} does not exist")
    plain = np.zeros((rows + 1, columns + 1, step), np.int16)
    for k in range(rows + columns - 1):
        r = np.arange(max(0, k - columns + 1), min(rows, k + 1))
        c = k - r
        left, up, corner = plain[r + 1, c], plain[r, c + 1], plain[r, c]
        guess = np.choose(kinds[r, None], [0, left, up, (left + up) // 2, _paeth(left, up, corner)])
        plain[r + 1, c + 1] = (filtered[r, c] + guess) & 255
    return np.ascontiguousarray(plain[1:, 1:].astype(np.uint8))
