"""Picture files to pixels, and their headers; no torch. `picture_writing` writes them.

Each format has one reader: `png`, `tiff`, and Pillow for JPEG, WebP and GIF. `outline` and `decode` use the same ones.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals.files import png as _png
from inr.signals.files.format import FORMATS, FileFormat, name_of
from inr.signals.files.npy import read_npy
from inr.signals.files.reading import decoding, read_bytes
from inr.signals.files.sniffing import suffix_of
from inr.signals.files.tiff import Tiff, upright

if TYPE_CHECKING:
    from inr.signals._source import Source

Pixels = np.ndarray[Any, np.dtype[Any]]

MAX_PIXELS = 2**27
_READERS = {".tif": "tiff", ".png": "png", ".jpg": "pillow", ".webp": "pillow", ".gif": "pillow", ".npy": "npy"}
_ORIENTATION_TAG = 274
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_MODES = dict(zip(_CHANNELS.values(), _CHANNELS, strict=True))
_HEAD_BYTES = 16


@dataclasses.dataclass(frozen=True)
class Picture:
    """pixels: [rows, columns, C], upright, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); uint8, uint16, float32.

    Alpha is straight. icc: the colour profile's bytes. notes: what was changed on the way in. colour_chunks: of a PNG
    whose colours are not sRGB's, see `Png`.
    """

    pixels: Pixels
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    colour_chunks: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outline:
    """What `decode` returns for a file, from its header only.

    width, height: upright. channels, dtype: of the pixels. bits: of a sample in the file. n_frames: frames or pages.
    """

    width: int
    height: int
    channels: int
    dtype: str
    bits: int
    n_frames: int


def outline(file: BinaryIO, name: str) -> Outline:
    """What an open PNG, JPEG, WebP, GIF or TIFF is, of any size, as `decode` reads it.

    Raises UnreadableError for other files and for pictures that are not read; for damage, whatever the reader raises.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    kind = _format(head)
    if kind == "tiff":
        tiff = Tiff(file, name)
        return Outline(tiff.shape[1], tiff.shape[0], tiff.channels, str(tiff.dtype), tiff.bits, tiff.n_pages)
    if kind == "png":
        png = _png.Png(file, has_data=False)
        size = _turned((png.width, png.height), png.orientation)
        return Outline(*size, png.channels, str(png.dtype), png.depth, png.n_frames)
    if kind == "pillow":
        with _opened(file, head, name) as image:
            size = _turned(image.size, _orientation(image))
            return Outline(*size, _CHANNELS[_mode(image)], "uint8", 8, getattr(image, "n_frames", 1))
    raise _unknown(name)


def n_frames_of(source: Source) -> int:
    """How many frames or pages a picture file has. Raises UnreadableError for a damaged one."""
    with decoding(source, "a picture"), source.open() as file:
        return outline(file, source.name).n_frames


def decode(source: Source) -> Picture:
    """The first picture in a PNG, JPEG, WebP, GIF or TIFF file, known by its content, turned upright by its EXIF tag.

    Raises UnreadableError for another content, damage, more than 2^27 pixels, CMYK, or NaN.
    """
    data = read_bytes(source)
    kind = _format(data[:_HEAD_BYTES])
    if kind not in _DECODERS:
        raise _unknown(source.name)
    with decoding(source, "a picture"):
        picture = _DECODERS[kind](data, source.name)
    if picture.icc is not None and len(picture.icc) > _png.MAX_ICC_BYTES:
        note = f"{source.name}: its colour profile has more than {_png.MAX_ICC_BYTES} bytes, and is left out"
        picture = dataclasses.replace(picture, icc=None, notes=(*picture.notes, note))
    if picture.pixels.ndim != 3 or picture.pixels.size == 0:
        raise UnreadableError(f"cannot read {source.name!r} as a picture: its header contradicts itself")
    if picture.pixels.dtype.kind == "f" and not np.isfinite(picture.pixels).all():
        raise UnreadableError(f"picture {source.name!r} has NaN or infinite pixels")
    return picture


def _format(head: bytes) -> str:
    """The reader for a file that begins with these bytes, or an empty string."""
    return _READERS.get(suffix_of(head), "")


def _unknown(name: str) -> UnreadableError:
    return UnreadableError(f"{name!r} is not a PNG, JPEG, WebP, GIF or TIFF picture")


def _turned(size: tuple[int, int], orientation: Any) -> tuple[int, int]:
    return size[::-1] if orientation in (5, 6, 7, 8) else size


def _check_size(name: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UnreadableError(f"picture {name!r} is {width}x{height} pixels, expected at least 1x1")
    if width * height > MAX_PIXELS:
        raise UnreadableError(
            f"picture {name!r} has {width}x{height} pixels, expected at most {MAX_PIXELS} (2^27) in all",
            "cut or scale it down first, or save it as tiled TIFF or .npy, which are read in parts",
        )


def _opened(file: BinaryIO, head: bytes, name: str) -> Any:
    """A JPEG, WebP or GIF as Pillow's picture, its pixels not yet decoded."""
    from PIL import GifImagePlugin, JpegImagePlugin, WebPImagePlugin

    openers: dict[str, Callable[[BinaryIO], Any]] = {
        ".webp": WebPImagePlugin.WebPImageFile,
        ".gif": GifImagePlugin.GifImageFile,
    }
    image = openers.get(suffix_of(head), JpegImagePlugin.jpeg_factory)(file)
    if _mode(image) not in _CHANNELS:
        raise UnreadableError(
            f"picture {name!r} has colour mode {image.mode}, expected grey, RGB, palette, with or without alpha",
            "convert it to RGB first, in a program that knows its colour profile",
        )
    return image


def _mode(image: Any) -> str:
    """Pillow's name of the channels that the pixels have once a palette is applied."""
    if image.mode != "P":
        return str(image.mode)
    return "RGBA" if "transparency" in image.info else "RGB"


def _orientation(image: Any) -> Any:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  a damaged EXIF block must not hide a good picture
        return 1


def _decode_pillow(data: bytes, name: str) -> Picture:
    with _opened(io.BytesIO(data), data[:12], name) as image:
        _check_size(name, *image.size)
        n_frames = getattr(image, "n_frames", 1)
        image.load()
        pixels: Pixels = np.asarray(image if image.mode == _mode(image) else image.convert(_mode(image)))
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        icc = image.info.get("icc_profile") or None
        return Picture(upright(pixels, _orientation(image)), icc, _frames(name, n_frames))


def _decode_png(data: bytes, name: str) -> Picture:
    png = _png.Png(io.BytesIO(data))
    _check_size(name, png.width, png.height)
    notes = _frames(name, png.n_frames) + tuple(f"{name}: {note}" for note in png.notes)
    if png.colour_chunks:
        chunks = _png.in_words(png.colour_chunks)
        notes += (
            f"{name}: its colours are not sRGB ({chunks}): fitted as they are stored; of outputs, only PNG keeps it",
        )
    return Picture(upright(png.pixels(), png.orientation), png.icc, notes, png.colour_chunks)


def _decode_tiff(data: bytes, name: str) -> Picture:
    file = io.BytesIO(data)
    tiff = Tiff(file, name)
    _check_size(name, *tiff.shape[::-1])
    return Picture(tiff.read(file), tiff.icc, tiff.notes)


def _frames(name: str, n: int) -> tuple[str, ...]:
    return () if n == 1 else (f"{name}: the first of {n} frames is used",)


def _decode_npy(data: bytes, name: str) -> Picture:
    pixels: Pixels = read_npy(data)
    return Picture(np.ascontiguousarray(as_pixels(pixels, name)))


_DECODERS: dict[str, Callable[[bytes, str], Picture]] = {
    "tiff": _decode_tiff,
    "png": _decode_png,
    "pillow": _decode_pillow,
    "npy": _decode_npy,
}


def as_pixels(array: Pixels, name: str) -> Pixels:
    """An array [rows, columns] or [rows, columns, C] as pixels. Raises UnreadableError if it cannot be one."""
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or not 1 <= pixels.shape[-1] <= 4 or pixels.dtype.kind not in "uf":
        raise UnreadableError(
            f"array {name!r} has shape {array.shape} and dtype {array.dtype}, expected rows, columns and 1 to 4 "
            "channels of uint8, uint16 or float",
            "load it as an array: `kind=array`",
        )
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize > 2:
        raise UnreadableError(f"array {name!r} has dtype {array.dtype}, expected uint8, uint16 or float")
    return pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels.astype(pixels.dtype.newbyteorder("="))


@FORMATS.register(".png")
@FORMATS.register(".jpg")
@FORMATS.register(".webp")
@FORMATS.register(".tif")
class PictureFile(FileFormat):
    """Pictures, as `decode` reads them."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        found = outline(file, name_of(file))
        return {
            "what": "picture",
            "width": found.width,
            "height": found.height,
            "mode": _MODES[found.channels],
            "channels": found.channels,
            "dtype": found.dtype,
            "bits": found.bits,
            "frames": found.n_frames,
        }

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        size = f"{entry['width']}x{entry['height']} {entry['mode']}"
        return size if entry["dtype"] == "uint8" else f"{size} {entry['dtype']}"
