"""Targets of picture files: PNG, JPEG, WebP, TIFF and BigTIFF."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ._mutation import mostly, numbers_mutated, png_mutated, png_repaired
from ._reading import reading
from ._target import Mutator, Target, add

MEMORY_MB = 1024
SMALL = 2**21
"""Pixels that a picture may have here: the limit itself, 2^27, takes gigabytes, as it says."""


def read(suffix: str) -> Callable[[bytes], None]:
    """Reading a picture within the small limit."""
    whole = reading(suffix, "image")

    def call(data: bytes) -> None:
        from inr.signals.files import pictures as _pictures
        from inr.signals.files import tiff as _tiff

        _pictures.MAX_PIXELS = _tiff.MAX_SEGMENT_PIXELS = SMALL
        whole(data)

    return call


def pixels(rows: int, columns: int, channels: int, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    """Pixels [rows, columns, channels] (no last axis for one channel) with many kinds of values."""
    n = np.arange(rows * columns * channels).reshape(rows, columns, channels) * 2654435761 % 65521
    made = n / 65521 if dtype == "float32" else n % (np.iinfo(dtype).max + 1)
    return (made if channels > 1 else made[..., 0]).astype(dtype)


def saved(image: Any, form: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **settings)
    return out.getvalue()


def pngs() -> list[bytes]:
    """8 bits of every mode, palettes, 1 bit, transparency, profiles, gamma, EXIF, interlacing is libpng's."""
    from PIL import Image, PngImagePlugin

    made = [saved(Image.fromarray(pixels(4, 5, c)), "PNG") for c in (1, 3, 4)]
    palette = Image.fromarray(pixels(4, 5, 1) % 4, "L").convert("P")
    made += [saved(palette, "PNG", bits=bits, transparency=b"\x00\x80") for bits in (1, 2, 4, 8)]
    made.append(saved(Image.fromarray(pixels(4, 5, 1) > 100), "PNG"))
    made.append(saved(Image.fromarray(pixels(4, 5, 3)), "PNG", transparency=(1, 2, 3), icc_profile=b"profile" * 4))
    exif = Image.Exif()
    exif[274] = 6
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", 45455))
    chunks.add(b"cICP", bytes((9, 16, 0, 1)))
    chunks.add_text("comment", "text", zip=True)
    made.append(saved(Image.fromarray(pixels(4, 5, 3)), "PNG", exif=exif, pnginfo=chunks))
    return made


def pngs_of_16_bits() -> list[bytes]:
    from inr.signals.files.picture_writing import encode

    made = [encode(pixels(4, 5, c, "uint16").reshape(4, 5, c), ".png") for c in (1, 2, 3, 4)]
    return [*made, encode(pixels(3, 3, 3, "uint16"), ".png", icc=b"profile" * 4)]


def jpegs() -> list[bytes]:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 8
    colour, grey = Image.fromarray(pixels(9, 8, 3)), Image.fromarray(pixels(9, 8, 1))
    return [
        saved(colour, "JPEG", quality=30),
        saved(colour, "JPEG", quality=30, progressive=True, exif=exif, icc_profile=b"profile" * 4),
        saved(grey, "JPEG", quality=30),
        saved(colour.convert("CMYK"), "JPEG", quality=30),
    ]


def webps() -> list[bytes]:
    from PIL import Image

    colour, alpha = Image.fromarray(pixels(6, 5, 3)), Image.fromarray(pixels(6, 5, 4))
    return [
        saved(colour, "WEBP", quality=30),
        saved(alpha, "WEBP", quality=30, icc_profile=b"profile" * 4),
        saved(alpha, "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
        saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)]),
    ]


def tiffs(*, bigtiff: bool) -> list[bytes]:
    """Grey, colour, alpha, palettes, 1 to 32 bits, tiles, planes, predictors, most compressions, both byte orders."""
    import tifffile

    def written(values: Any, **settings: Any) -> bytes:
        out = io.BytesIO()
        tifffile.imwrite(out, values, bigtiff=bigtiff, metadata=None, **settings)
        return out.getvalue()

    made = [
        written(pixels(4, 5, 1)),
        written(pixels(4, 5, 3), photometric="rgb"),
        written(pixels(4, 5, 4), photometric="rgb", extrasamples=["unassalpha"]),
        written(pixels(4, 5, 1, "uint16"), byteorder=">"),
        written(pixels(4, 5, 3, "float32"), photometric="rgb", compression="zlib", predictor=True),
        written(pixels(4, 5, 1), photometric="miniswhite"),
        written(pixels(16, 16, 3), photometric="rgb", tile=(16, 16), compression="lzw"),
        written(np.moveaxis(pixels(4, 5, 3), 2, 0), photometric="rgb", planarconfig="separate"),
        written(pixels(4, 5, 1), photometric="palette", colormap=pixels(3, 256, 1, "uint16")),
        written(pixels(4, 5, 1), compression="packbits", rowsperstrip=1),
        written(pixels(4, 5, 1, "uint16"), compression="zstd"),
        written(pixels(4, 5, 1) > 100, photometric="minisblack"),
        written(pixels(16, 16, 3), photometric="ycbcr", compression="jpeg", subsampling=(1, 1)),
    ]
    if not bigtiff:
        from PIL import Image

        forms = [Image.fromarray(pixels(4, 5, 3)).convert(mode) for mode in ("YCbCr", "CMYK", "LAB", "1", "P")]
        made += [saved(form, "TIFF") for form in forms]
        made.append(saved(Image.fromarray(pixels(4, 5, 1) > 99), "TIFF", compression="group4"))
    return made


def tiff_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Tags, types, counts and values of the first directory; entries dropped and doubled."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    (n,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
    size, head = (20, 8) if is_big else (12, 2)
    if not 0 < n < 200:
        raise ValueError("it has no directory left")
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3))):
        place = at + head + size * draw.randrange(n)
        if place + size > len(out):
            raise ValueError("it is cut")
        what = draw.randrange(6)
        if what == 0:
            tags = (
                254,
                256,
                257,
                258,
                259,
                262,
                273,
                274,
                277,
                278,
                279,
                284,
                317,
                320,
                322,
                324,
                325,
                338,
                339,
                347,
                530,
            )
            struct.pack_into(order + "H", out, place, draw.choice(tags))
        elif what == 1:
            struct.pack_into(order + "H", out, place + 2, draw.choice((0, 1, 2, 3, 4, 5, 9, 11, 12, 16, 99)))
        elif what == 2:
            value = draw.choice((0, 1, 2, 3, 4, 100, 2**16, 2**31, 2**32 - 1))
            struct.pack_into(order + ("Q" if is_big else "I"), out, place + 4, value)
        elif what <= 4:
            value = draw.choice(
                (0, 1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 64, 7, 50000, 32773, 34712, 2**16, 2**31, len(out))
            )
            at_value = place + (12 if is_big else 8)
            struct.pack_into(
                order + draw.choice(("H", "I")), out, at_value, value % 2**16 if draw.random() < 0.5 else value % 2**32
            )
        else:
            other = at + head + size * draw.randrange(n)
            out[place : place + size] = out[other : other + size]
    return bytes(out[: len(data)])


png = mostly(png_mutated)
add(Target("png", pngs, read(".png"), png, cost_ms=1.5, repair=png_repaired, memory_mb=MEMORY_MB))
add(
    Target(
        "png16",
        pngs_of_16_bits,
        read(".png"),
        png,
        cost_ms=1.5,
        repair=png_repaired,
        follows=("inr.signals.files.png", "inr.signals.files.pictures"),
        memory_mb=MEMORY_MB,
    )
)


def decoded_by_libraries(
    name: str, seeds: Callable[[], list[bytes]], suffix: str, mutated: Mutator, cost_ms: float
) -> None:
    """Add a target that needs no repair, and whose reader is not Python, so that its coverage is unknown."""
    add(Target(name, seeds, read(suffix), mutated, cost_ms=cost_ms, memory_mb=MEMORY_MB))


decoded_by_libraries("jpeg", jpegs, ".jpg", mostly(numbers_mutated(">"), share=0.4), 1.5)
decoded_by_libraries("webp", webps, ".webp", mostly(numbers_mutated("<"), share=0.4), 1.5)
decoded_by_libraries("tiff", lambda: tiffs(bigtiff=False), ".tif", mostly(tiff_mutated), 3.0)
decoded_by_libraries("bigtiff", lambda: tiffs(bigtiff=True), ".tif", mostly(tiff_mutated), 3.0)
