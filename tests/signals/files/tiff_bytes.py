"""TIFF files by the specification, byte by byte, so that a test knows their content."""

from __future__ import annotations

import dataclasses
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

GREY, RGB, PALETTE, YCBCR, WHITE_IS_0 = 1, 2, 3, 6, 0
CODES: dict[str, tuple[int, Callable[[bytes], bytes | bytearray]]] = {
    "none": (1, bytes),
    "lzw": (5, imagecodecs.lzw_encode),
    "deflate": (8, zlib.compress),
    "old deflate": (32946, zlib.compress),
    "packbits": (32773, imagecodecs.packbits_encode),
    "lzma": (34925, lzma.compress),
    "zstd": (50000, imagecodecs.zstd_encode),
}
_FORMATS = {1: "B", 3: "H", 4: "I", 5: "II", 12: "d", 16: "Q"}


@dataclasses.dataclass(frozen=True)
class Form:
    """How samples are laid out. bits: of a sample; 0 for the bits of the array's floats. extra: ExtraSamples."""

    bits: int = 8
    photometric: int = GREY
    code: str = "none"
    predictor: int = 1
    order: str = "<"
    is_big: bool = False
    rows_per_strip: int = 0
    tile: tuple[int, int] | None = None
    is_planar: bool = False
    orientation: int = 1
    extra: tuple[int, ...] | None = None
    palette: Array | None = None
    fill_order: int = 1


def packed(samples: Array, bits: int, order: str) -> bytes:
    """Rows [n, m] of numbers as bytes, each row starts at a new byte."""
    if samples.dtype.kind == "f" or bits in (8, 16):
        kind = samples.dtype.str[1:] if samples.dtype.kind == "f" else f"u{bits // 8}"
        return np.ascontiguousarray(samples, np.dtype(order + kind)).tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    digits = (samples[..., None].astype(np.uint32) >> shifts & 1).reshape(len(samples), -1)
    return np.packbits(digits.astype(np.uint8), axis=1).tobytes()


def block(samples: Array, form: Form) -> bytes:
    """A strip or tile [rows, columns, S], predicted and compressed."""
    rows, columns, n = samples.shape
    if form.predictor == 2:
        samples = np.diff(samples, axis=1, prepend=np.zeros_like(samples[:, :1]))  # modulo 2^bits
    if form.predictor == 3:  # Technical Note 3: bytes by their weight, then differences of neighbours
        size = samples.dtype.itemsize
        planes = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">")).view(np.uint8)
        planes = planes.reshape(rows, columns * n, size).swapaxes(1, 2).reshape(rows, columns * size, n)
        data = np.diff(planes, axis=1, prepend=np.zeros_like(planes[:, :1])).astype(np.uint8).tobytes()
    else:
        data = packed(samples.reshape(rows, -1), form.bits, form.order)
    data = bytes(CODES[form.code][1](data))
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data) if form.fill_order == 2 else data


def blocks(samples: Array, form: Form) -> list[bytes]:
    rows, columns, n = samples.shape
    planes = [samples[..., k : k + 1] for k in range(n)] if form.is_planar else [samples]
    if form.tile is None:
        height = form.rows_per_strip or rows
        return [block(plane[r : r + height], form) for plane in planes for r in range(0, rows, height)]
    height, width = form.tile
    made = []
    for plane in planes:
        for r in range(0, rows, height):
            for c in range(0, columns, width):
                part = plane[r : r + height, c : c + width]
                whole = np.zeros((height, width, plane.shape[-1]), plane.dtype)
                whole[: part.shape[0], : part.shape[1]] = part
                made.append(block(whole, form))
    return made


def tiff_of(samples: Array, form: Form, more: Sequence[tuple[int, int, Any]] = ()) -> bytes:
    """A file of samples [rows, columns, S]. more: further tags, (code, type, values)."""
    rows, columns, n = samples.shape
    is_float = samples.dtype.kind == "f"
    bits = samples.dtype.itemsize * 8 if is_float else form.bits
    tags: list[tuple[int, int, Any]] = [
        (256, 4, [columns]),
        (257, 4, [rows]),
        (258, 3, [bits] * n),
        (259, 3, [CODES[form.code][0]]),
        (262, 3, [form.photometric]),
        (274, 3, [form.orientation]),
        (277, 3, [n]),
        (284, 3, [2 if form.is_planar else 1]),
        (317, 3, [form.predictor]),
        (339, 3, [3 if is_float else 1] * n),
    ]
    if form.fill_order == 2:
        tags.append((266, 3, [2]))
    if form.extra is not None:
        tags.append((338, 3, list(form.extra)))
    if form.palette is not None:
        tags.append((320, 3, form.palette.T.reshape(-1).tolist()))
    if form.tile is not None:
        tags += [(322, 3, [form.tile[1]]), (323, 3, [form.tile[0]])]
    else:
        tags.append((278, 4, [form.rows_per_strip or rows]))
    return file_of(
        [*tags, *more], blocks(samples, form), order=form.order, is_big=form.is_big, is_tiled=bool(form.tile)
    )


def file_of(
    tags: Sequence[tuple[int, int, Any]],
    data: Sequence[bytes],
    *,
    order: str = "<",
    is_big: bool = False,
    is_tiled: bool = False,
) -> bytes:
    """Header, blocks, tags in order, and last the values that are too long to lie in their tags."""
    word = "Q" if is_big else "I"
    out = io.BytesIO()
    out.write(b"II" if order == "<" else b"MM")
    out.write(struct.pack(order + ("HHHQ" if is_big else "HI"), *((43, 8, 0, 0) if is_big else (42, 0))))
    places = []
    for part in data:
        places.append(out.tell())
        out.write(part + b"\0" * (len(part) % 2))
    codes = (324, 325) if is_tiled else (273, 279)
    own = [(codes[0], 16 if is_big else 4, places), (codes[1], 4, [len(part) for part in data])]
    entries = sorted([*tags, *own], key=lambda tag: tag[0])
    start = out.tell()
    inline = 8 if is_big else 4
    size = struct.calcsize(order + ("HHQ" if is_big else "HHI")) + inline
    after = start + (8 if is_big else 2) + len(entries) * size + inline
    table, tail = b"", b""
    for code, kind, values in entries:
        if kind in (2, 7):
            body, count = bytes(values), len(values)
        else:
            form = _FORMATS[kind]
            body, count = struct.pack(order + form[0] * len(values), *values), len(values) // len(form)
        table += struct.pack(order + ("HHQ" if is_big else "HHI"), code, kind, count)
        if len(body) <= inline:
            table += body.ljust(inline, b"\0")
        else:
            table += struct.pack(order + word, after + len(tail))
            tail += body + b"\0" * (len(body) % 2)
    out.write(struct.pack(order + ("Q" if is_big else "H"), len(entries)) + table + bytes(inline) + tail)
    out.seek(8 if is_big else 4)
    out.write(struct.pack(order + word, start))
    return out.getvalue()
