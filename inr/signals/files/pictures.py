"""Picture files to pixels and back, and their headers; no torch.

Each format has one reader: `png`, `tiff`, and Pillow for JPEG, WebP and GIF. `outline` and `decode` use the same ones.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError, UsageError
from inr.signals.files import png as _png
from inr.signals.files.format import FORMATS, FileFormat, name_of
from inr.signals.files.npy import read_npy
from inr.signals.files.reading import decoding, read_bytes
from inr.signals.files.sniffing import suffix_of
from inr.signals.files.tiff import Tiff, upright

if TYPE_CHECKING:
    from inr.signals._source import Source

Pixels = np.ndarray[Any, np.dtype[Any]]

WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".npy")
"""Suffixes that pictures are written as, the default first."""

MAX_PIXELS = 2**27
_READERS = {".tif": "tiff", ".png": "png", ".jpg": "pillow", ".webp": "pillow", ".gif": "pillow", ".npy": "npy"}
_ORIENTATION_TAG = 274
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
MODES = dict(zip(_CHANNELS.values(), _CHANNELS, strict=True))
_HEAD_BYTES = 16
_BLOCK = 2**20  # values that are rounded together
_MAX_JPEG_ICC = 255 * 65519
"""A profile lies in at most 255 segments of a JPEG."""


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
    if not np.isfinite(picture.pixels).all():
        raise UnreadableError(f"picture {source.name!r} has NaN or infinite pixels")
    return picture


def _format(head: bytes) -> str:
    """The reader for a file that begins with these bytes, or an empty string."""
    return _READERS.get(suffix_of(head), "")


def _unknown(name: str) -> UnreadableError:
    return UnreadableError(f"{name!r} is not a PNG, JPEG, WebP, GIF or TIFF picture")


def _turned(size: tuple[int, int], orientation: Any) -> tuple[int, int]:
    return size[::-1] if orientation in (5, 6, 7, 8) else size


def tiff_layout(channels: int, icc: bytes | None) -> dict[str, Any]:
    """Arguments of `tifffile.imwrite` for a picture of so many channels."""
    return {
        "photometric": "rgb" if channels > 2 else "minisblack",
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "compression": "zlib",
        "iccprofile": icc,
        "metadata": None,
    }


def encode(pixels: Pixels, suffix: str, icc: bytes | None = None) -> bytes:
    """The bytes of a picture file. pixels: [rows, columns, C]; uint8, for PNG also uint16, for TIFF also float32.

    JPEG: quality 95 without chroma subsampling; WebP: lossless. Raises UsageError when the format cannot hold it.
    """
    channels = pixels.shape[-1]
    out = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(
            out,
            pixels if channels > 1 else pixels[..., 0],
            **tiff_layout(channels, icc),
        )
        return out.getvalue()
    if suffix == ".png" and pixels.dtype == np.uint16:
        return _png.write_16_bit(pixels, icc)
    from PIL import Image as Pillow

    if suffix in (".jpg", ".jpeg") and channels in (2, 4):
        raise UsageError("JPEG cannot hold the alpha channel of this picture", "write .png, .webp or .tif instead")
    image = Pillow.fromarray(pixels[..., 0] if channels == 1 else pixels)
    if suffix == ".webp":
        image = image.convert("RGBA" if channels in (2, 4) else "RGB")
    settings: dict[str, dict[str, Any]] = {
        ".png": {"format": "PNG"},
        ".webp": {"format": "WEBP", "lossless": True, "exact": True},
        ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    }
    try:
        image.save(out, icc_profile=icc, **settings[".jpg" if suffix == ".jpeg" else suffix])
    except (OSError, ValueError) as error:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise UsageError(f"a picture of {size} pixels cannot be written as {suffix}: {error}", "write .png") from error
    return out.getvalue()


def write(values: Pixels, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
    """Write a picture's values [rows, columns, C] as the format of `suffix`; returns notes. See `Image.write`."""
    dtype = str(meta["dtype"])
    notes: tuple[str, ...] = ()
    if suffix not in (".tif", ".tiff", ".npy") and not (suffix == ".png" and dtype == "uint16") and dtype != "uint8":
        target = "uint16" if suffix == ".png" else "uint8"
        notes += (f"{suffix} cannot hold {dtype} pixels: written as {target}",)
        dtype = target
    n_clipped = 0 if dtype == "float32" else int(np.count_nonzero((values < 0) | (values > 1)))
    if n_clipped:
        notes += (f"{n_clipped} of {values.size} values were outside [0, 1] and were clipped",)
    if suffix == ".npy":
        np.lib.format.write_array(file, quantised(values, dtype), allow_pickle=False)
        return notes
    icc, more = fitting_profile(meta, values.shape[-1], suffix)
    data = encode(quantised(values, dtype), suffix, icc)
    colours = _png.colours_in(meta.get("colour_chunks"))
    if colours and suffix == ".png":
        data = _png.with_colours(data, colours)
    elif colours:
        more += (f"{suffix} cannot hold {_png.in_words(colours)}: the colours will look different",)
    file.write(data)
    return notes + more


def fitting_profile(meta: Mapping[str, Any], channels: int, suffix: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The colour profile for a file of this suffix, None if it is for another colour space; and notes."""
    if meta.get("icc") is None:
        return None, ()
    icc = base64.b64decode(meta["icc"])
    space = {b"GRAY": "grey", b"RGB ": "RGB"}.get(icc[16:20], "another colour space")
    is_grey = channels < 3 and suffix != ".webp"
    if icc[36:40] == b"acsp" and space != ("grey" if is_grey else "RGB"):
        found = "grey" if is_grey else "RGB"
        return None, (f"the colour profile is one for {space} and the file is {found}: written without it",)
    if suffix in (".jpg", ".jpeg") and len(icc) > _MAX_JPEG_ICC:
        return None, (f"the colour profile has {len(icc)} bytes, more than a JPEG can hold: written without it",)
    return icc, ()


def quantised(values: Pixels, dtype: str) -> Pixels:
    """Values in [0, 1] as pixels of a type: clipped and rounded; floats as they are."""
    if dtype == "float32":
        return values
    peak = np.float64(np.iinfo(dtype).max)
    return _by_rows(values, dtype, lambda rows: np.rint(np.clip(rows, 0, 1) * peak))


def as_written(values: Pixels, dtype: str) -> Pixels:
    """The values, float32, that are read back from a file of this pixel type."""
    if dtype == "float32":
        return values
    peak = np.float32(np.iinfo(dtype).max)
    return _by_rows(values, "float32", lambda rows: quantised(rows, dtype).astype(np.float32) / peak)


def _by_rows(values: Pixels, dtype: str, work: Callable[[Pixels], Pixels]) -> Pixels:
    """`work` on all values, some rows at a time, so that what it needs on the way stays small."""
    out = np.empty(values.shape, dtype)
    step = max(1, _BLOCK // max(1, values[:1].size))
    for start in range(0, len(values), step):
        out[start : start + step] = work(values[start : start + step])
    return out


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
            "mode": MODES[found.channels],
            "channels": found.channels,
            "dtype": found.dtype,
            "bits": found.bits,
            "frames": found.n_frames,
        }

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        size = f"{entry['width']}x{entry['height']} {entry['mode']}"
        return size if entry["dtype"] == "uint8" else f"{size} {entry['dtype']}"
