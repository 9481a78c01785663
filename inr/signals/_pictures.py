"""Picture files to pixels and back: PNG, JPEG and WebP by Pillow, TIFF by tifffile, 16-bit PNG by `_png`; no torch."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr._errors import UnreadableError, UsageError
from inr.signals import _png
from inr.signals._reading import decoding, read_bytes

if TYPE_CHECKING:
    from inr.signals._signal import Source

Pixels = np.ndarray[Any, np.dtype[Any]]

MAX_PIXELS = 2**27
_SILENT = logging.NullHandler()
NPY_MAGIC = b"\x93NUMPY"
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_READ_AS = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB"}
_ORIENTATION_TAG = 274
_MAX_EXPANSION = 1100  # deflate, the densest of TIFF's codes that are read, stays below 1032 to 1


@dataclasses.dataclass(frozen=True)
class Picture:
    """pixels: [rows, columns, C], upright, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); uint8, uint16, float32.

    Alpha is straight. icc: the colour profile's bytes. notes: what was changed on the way in.
    """

    pixels: Pixels
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def decode(source: Source) -> Picture:
    """The first picture in a PNG, JPEG, WebP or TIFF file, told by its content, turned upright by its EXIF tag.

    Raises UnreadableError for another content, damage, more than 2^27 pixels, CMYK, or NaN.
    """
    data = read_bytes(source)
    with decoding(source, "a picture"):
        if data[:4] in TIFF_MAGIC:
            picture = _decode_tiff(data, source)
        elif data[:8] == _png.SIGNATURE or data[:3] == b"\xff\xd8\xff" or (data[:4], data[8:12]) == (b"RIFF", b"WEBP"):
            picture = _decode_pillow(data, source)
        elif data[:6] == NPY_MAGIC:
            picture = _decode_npy(data, source)
        else:
            raise UnreadableError(f"{source.name!r} is not a PNG, JPEG, WebP or TIFF picture")
    if picture.pixels.ndim != 3 or picture.pixels.size == 0:
        raise UnreadableError(f"can not read {source.name!r} as a picture: its header contradicts itself")
    if not np.isfinite(picture.pixels).all():
        raise UnreadableError(f"picture {source.name!r} has NaN or infinite pixels")
    return picture


def encode(pixels: Pixels, suffix: str, icc: bytes | None = None) -> bytes:
    """The bytes of a picture file. pixels: [rows, columns, C]; uint8, for PNG also uint16, for TIFF also float32.

    JPEG: quality 95 without chroma subsampling; WebP: lossless. Raises UsageError when the format can not hold it.
    """
    channels = pixels.shape[-1]
    out = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(
            out,
            pixels if channels > 1 else pixels[..., 0],
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            iccprofile=icc,
            metadata=None,
        )
        return out.getvalue()
    if suffix == ".png" and pixels.dtype == np.uint16:
        return _png.write_16_bit(pixels, icc)
    from PIL import Image as Pillow

    if suffix in (".jpg", ".jpeg") and channels in (2, 4):
        raise UsageError("JPEG can not hold the alpha channel of this picture", "write .png, .webp or .tif instead")
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
        raise UsageError(f"a picture of {size} pixels can not be written as {suffix}: {error}", "write .png") from error
    return out.getvalue()


def write(values: Pixels, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
    """Write a picture's values [rows, columns, C] as the format of `suffix`; returns notes. See `Image.write`."""
    dtype = str(meta["dtype"])
    notes: tuple[str, ...] = ()
    if suffix not in (".tif", ".tiff", ".npy") and not (suffix == ".png" and dtype == "uint16") and dtype != "uint8":
        target = "uint16" if suffix == ".png" else "uint8"
        notes += (f"{suffix} can not hold {dtype} pixels: written as {target}",)
        dtype = target
    n_clipped = 0 if dtype == "float32" else int(np.count_nonzero((values < 0) | (values > 1)))
    if n_clipped:
        notes += (f"{n_clipped} of {values.size} values were outside [0, 1] and were clipped",)
    if suffix == ".npy":
        np.lib.format.write_array(file, quantised(values, dtype), allow_pickle=False)
        return notes
    icc = meta.get("icc")
    file.write(encode(quantised(values, dtype), suffix, None if icc is None else base64.b64decode(icc)))
    return notes


def quantised(values: Pixels, dtype: str) -> Pixels:
    """Values in [0, 1] as pixels of a type: clipped and rounded; floats as they are."""
    if dtype == "float32":
        return values
    peak = np.iinfo(dtype).max
    return np.rint(np.clip(values, 0, 1) * np.float64(peak)).astype(dtype)


def as_written(values: Pixels, dtype: str) -> Pixels:
    """The values, float32, that are read back from a file of this pixel type."""
    pixels = quantised(values, dtype)
    return pixels if dtype == "float32" else pixels.astype(np.float32) / np.float32(np.iinfo(dtype).max)


def _check_size(source: Source, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UnreadableError(f"picture {source.name!r} is {width}x{height} pixels, expected at least 1x1")
    if width * height > MAX_PIXELS:
        raise UnreadableError(
            f"picture {source.name!r} has {width}x{height} pixels, expected at most {MAX_PIXELS} (2^27) in all",
            "cut or scale it down first, or save it as tiled TIFF or .npy, which are read in parts",
        )


def _unsupported(source: Source, colour: str) -> UnreadableError:
    return UnreadableError(
        f"picture {source.name!r} has colour mode {colour}, expected grey, RGB, palette, with or without alpha",
        "convert it to RGB first, in a program that knows its colour profile",
    )


def _upright(pixels: Pixels, orientation: Any) -> Pixels:
    """Apply EXIF/TIFF tag 274: 2 to 4 mirror and turn by 180 degrees, 5 to 8 also swap rows and columns."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _decode_pillow(data: bytes, source: Source) -> Picture:
    from PIL import Image as Pillow

    try:
        image = Pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "TIFF"))
    except Pillow.DecompressionBombError as error:
        raise UnreadableError(
            f"picture {source.name!r} is too large, expected at most {MAX_PIXELS} (2^27) pixels in all"
        ) from error
    with image:
        _check_size(source, *image.size)
        n_frames = getattr(image, "n_frames", 1)
        image.load()
        if _png.is_16_bit(data):
            pixels: Pixels = _png.read_16_bit(data)
        elif image.mode in ("F", "I;16", "I;16B", "I;16L"):
            pixels = np.asarray(image).astype(np.float32 if image.mode == "F" else np.uint16)
        else:
            mode = _READ_AS.get(image.mode, image.mode)
            if mode == "P" or image.has_transparency_data:
                mode = "LA" if mode in ("L", "LA") else ("RGBA" if image.has_transparency_data else "RGB")
            if mode not in ("L", "LA", "RGB", "RGBA"):
                raise _unsupported(source, mode)
            pixels = np.asarray(image if mode == image.mode else image.convert(mode))
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        notes = () if n_frames == 1 else (f"{source.name}: the first of {n_frames} frames is used",)
        return Picture(_upright(pixels, _orientation(image)), image.info.get("icc_profile") or None, notes)


def _orientation(image: Any) -> Any:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  a damaged EXIF block must not hide a good picture
        return 1


def _decode_tiff(data: bytes, source: Source) -> Picture:
    import tifffile

    logging.getLogger("tifffile").addHandler(_SILENT)  # else damage that is worked around is printed to stderr
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        n_pages = len(tiff.pages)
        page = tiff.pages.first
        _check_size(source, page.imagewidth, page.imagelength)
        colour = getattr(page.photometric, "name", str(page.photometric))
        if colour not in ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE", "YCBCR"):
            raise _unsupported(source, {"SEPARATED": "CMYK"}.get(colour, colour))
        if page.imagedepth > 1 or page.samplesperpixel > 4 or page.axes not in ("YX", "YXS", "SYX"):
            raise UnreadableError(
                f"picture {source.name!r} has axes {page.axes} of sizes {page.shape}, "
                "expected rows, columns and 1 to 4 channels",
                "save it as .npy and load it as an array",
            )
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        is_short = any(offset + count > len(data) for offset, count in segments)
        if is_short or page.nbytes > _MAX_EXPANSION * len(data):
            raise UnreadableError(f"can not read {source.name!r} as a picture: it is truncated")
        try:
            pixels: Pixels = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error) or (page.bitspersample > 8 and page.samplesperpixel > 1):
                raise
            return _decode_pillow(data, source)  # LZW and JPEG compression, which tifffile has no decoder for
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.dtype == np.bool_:
            pixels = pixels * np.uint8(255)
        if colour == "PALETTE":
            pixels = (page.colormap[:, pixels[..., 0]] >> 8).astype(np.uint8).transpose(1, 2, 0)
        if pixels.dtype.kind == "f":
            pixels = pixels.astype(np.float32)
        elif pixels.dtype not in (np.uint8, np.uint16):
            raise UnreadableError(
                f"picture {source.name!r} has pixels of type {pixels.dtype}, expected uint8, uint16 or float",
                "save it as .npy and load it as an array",
            )
        elif page.bitspersample in (2, 4) and colour != "PALETTE":
            pixels = pixels * np.uint8(255 // (2**page.bitspersample - 1))
        if colour == "MINISWHITE" and pixels.dtype.kind == "u":
            pixels = np.iinfo(pixels.dtype).max - pixels
        notes: tuple[str, ...] = () if n_pages == 1 else (f"{source.name}: the first of {n_pages} pages is used",)
        if pixels.shape[-1] in (2, 4) and tuple(page.extrasamples) == (1,):
            pixels = _straight_alpha(pixels)
            notes += (f"{source.name}: premultiplied alpha was changed to straight alpha",)
        orientation = page.tags.valueof(_ORIENTATION_TAG, 1)
        return Picture(_upright(pixels, orientation), page.tags.valueof(34675) or None, notes)


def _decode_npy(data: bytes, source: Source) -> Picture:
    pixels: Pixels = np.load(io.BytesIO(data), allow_pickle=False)
    return Picture(np.ascontiguousarray(as_pixels(pixels, source)))


def as_pixels(array: Pixels, source: Source) -> Pixels:
    """An array [rows, columns] or [rows, columns, C] as pixels. Raises UnreadableError where it can be none."""
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or not 1 <= pixels.shape[-1] <= 4 or pixels.dtype.kind not in "uf":
        raise UnreadableError(
            f"array {source.name!r} has shape {array.shape} and dtype {array.dtype}, expected rows, columns and 1 to 4 "
            "channels of uint8, uint16 or float",
            "load it as an array: --kind array",
        )
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize > 2:
        raise UnreadableError(f"array {source.name!r} has dtype {array.dtype}, expected uint8, uint16 or float")
    return pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels.astype(pixels.dtype.newbyteorder("="))


def _straight_alpha(pixels: Pixels) -> Pixels:
    peak = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    alpha = pixels[..., -1:] / peak
    colour = np.divide(pixels[..., :-1], alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha > 0)
    if pixels.dtype.kind == "u":
        colour = np.minimum(np.rint(colour), peak)
    return np.concatenate([colour.astype(pixels.dtype), pixels[..., -1:]], axis=-1)
