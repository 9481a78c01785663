"""Pixels to picture files, band by band; no torch.

PNG of 8 bits, JPEG and WebP are encoded from Pillow's picture in memory, 1 or 4 bytes per pixel; all other formats are
written as the bands come.
"""

from __future__ import annotations

import base64
import importlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UsageError
from inr.signals.files import png as _png
from inr.signals.files.bands import Bands, Regrouped
from inr.signals.files.npy import write_npy

Pixels = np.ndarray[Any, np.dtype[Any]]

WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".npy")
"""Suffixes that pictures are written as, the default first."""

TIFF_TILE = 256
BLOCK = 2**20  # values that are rounded together
_MAX_JPEG_ICC = 255 * 65519
"""A profile lies in at most 255 segments of a JPEG."""

_PILLOW: Mapping[str, Mapping[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 3},  # of photographs within 1 % of the default, in half the time
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


def import_writer(suffix: str) -> None:
    """Import what `write` needs for a suffix, where that takes time."""
    if suffix in _PILLOW:
        from PIL import Image

        Image.preinit()  # the modules of common formats
    elif suffix in (".tif", ".tiff"):
        importlib.import_module("tifffile")


def write(bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
    """Write a picture's values [rows, columns, C] as the format of `suffix`; returns notes. See `Image.write_bands`."""
    dtype = str(meta["dtype"])
    notes: tuple[str, ...] = ()
    if suffix not in (".tif", ".tiff", ".npy") and not (suffix == ".png" and dtype == "uint16") and dtype != "uint8":
        target = "uint16" if suffix == ".png" else "uint8"
        notes += (f"{suffix} cannot hold {dtype} pixels: written as {target}",)
        dtype = target
    n_clipped = 0
    half = 0.0 if dtype == "float32" else 0.5 / np.iinfo(dtype).max  # of a level, which rounding takes away

    def pixels(values: Pixels) -> Pixels:
        nonlocal n_clipped
        n_clipped += 0 if dtype == "float32" else int(np.count_nonzero((values < -half) | (values > 1 + half)))
        return quantised(values, dtype)

    more: tuple[str, ...] = ()
    icc, colours = None, {}
    if suffix != ".npy":
        icc, more = fitting_profile(meta, bands.shape[-1], suffix)
        colours = _png.colours_in(meta.get("colour_chunks"))
    if colours and suffix != ".png":
        more += (f"{suffix} cannot hold {_png.in_words(colours)}: the colours will look different",)
    save(bands.each(pixels), dtype, file, suffix, icc, colours)
    if n_clipped:
        n_values = np.prod(bands.shape, dtype=np.int64)
        notes += (f"{n_clipped} of {n_values} values were outside [0, 1] and were clipped",)
    return notes + more


def encode(pixels: Pixels, suffix: str, icc: bytes | None = None) -> bytes:
    """The bytes of a picture file, see `save`."""
    out = io.BytesIO()
    save(Bands.of(pixels), str(pixels.dtype), out, suffix, icc)
    return out.getvalue()


def save(
    bands: Bands,
    dtype: str,
    file: BinaryIO,
    suffix: str,
    icc: bytes | None = None,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Write pixels [rows, columns, C] of a dtype: uint8, for PNG, TIFF and NPY also uint16, for the last two float32.

    JPEG: quality 95 without chroma subsampling; WebP: lossless. icc: a colour profile. colours: chunks of a PNG, as in
    `Png`. Raises UsageError when the format cannot hold the picture.
    """
    if suffix == ".npy":
        write_npy(bands, dtype, file)
    elif suffix in (".tif", ".tiff"):
        _save_tiff(bands, dtype, file, icc)
    elif suffix == ".png" and dtype == "uint16":
        _png.write_16_bit(bands, file, icc, colours or {})
    else:
        _save_by_pillow(bands, file, suffix, icc, colours or {})


def _save_by_pillow(bands: Bands, file: BinaryIO, suffix: str, icc: bytes | None, colours: Mapping[str, str]) -> None:
    from PIL import Image as Pillow

    rows, columns, channels = bands.shape
    if suffix in (".jpg", ".jpeg") and channels in (2, 4):
        raise UsageError("JPEG cannot hold the alpha channel of this picture", "write .png, .webp or .tif instead")
    mode = ("L", "LA", "RGB", "RGBA")[channels - 1]
    if suffix == ".webp":
        mode = "RGBA" if channels in (2, 4) else "RGB"
    image = Pillow.new(mode, (columns, rows))
    top = 0
    for band in bands:
        part = Pillow.fromarray(band[..., 0] if channels == 1 else band)
        image.paste(part if part.mode == mode else part.convert(mode), (0, top))
        top += len(band)
    try:
        plain: Any = _png.AfterHeader(file, colours if suffix == ".png" else {})
        image.save(plain, icc_profile=icc, **_PILLOW[suffix])
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the format
            raise
        raise UsageError(
            f"a picture of {columns}x{rows} pixels cannot be written as {suffix}: {error}", "write .png"
        ) from error


def _save_tiff(bands: Bands, dtype: str, file: BinaryIO, icc: bytes | None) -> None:
    import tifffile

    rows, columns, channels = bands.shape
    tile = (min(TIFF_TILE, -(-rows // 16) * 16), min(TIFF_TILE, -(-columns // 16) * 16))
    tifffile.imwrite(
        tifffile.FileHandle(file, name="picture.tif"),  # a file that is not named yet has a number for a name
        _tiles(bands, tile),
        shape=bands.shape if channels > 1 else bands.shape[:2],
        dtype=dtype,
        bigtiff=rows * columns * channels * np.dtype(dtype).itemsize > 2**31,
        tile=tile,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        iccprofile=icc,
        metadata=None,
    )


def _tiles(bands: Bands, tile: tuple[int, int]) -> Iterator[Pixels]:
    """Tiles in row-major order, padded with zeros at the far sides."""
    regrouped = Regrouped(tile[0])
    for band in bands:
        for (rows,) in regrouped.add(band):
            yield from _row_of_tiles(rows, tile)
    for rows in regrouped.rest():
        if len(rows):
            yield from _row_of_tiles(rows, tile)


def _row_of_tiles(rows: Pixels, shape: tuple[int, int]) -> Iterator[Pixels]:
    for start in range(0, rows.shape[1], shape[1]):
        part = rows[:, start : start + shape[1]]
        tile = np.zeros((*shape, rows.shape[-1]), rows.dtype)
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile if rows.shape[-1] > 1 else tile[..., 0]


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
    step = max(1, BLOCK // max(1, values[:1].size))
    for start in range(0, len(values), step):
        out[start : start + step] = work(values[start : start + step])
    return out
