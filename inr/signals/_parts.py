"""Writing what is larger than memory: results that come in bands, as .npy, tiled TIFF, WAV or FLAC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inr.signals import array as arrays
from inr.signals import audio as sounds
from inr.signals._lattice import AnyArray
from inr.signals._pictures import quantised
from inr.signals._signal import Values

TIFF_TILE = 256

Quantise = Callable[[Values], AnyArray]
Writer = Callable[[Iterator[Values], tuple[int, ...], Mapping[str, Any], Path], None]


def parts_writer(kind: str, suffix: str) -> Writer | None:
    """How bands [n, *shape[1:], C] of a kind's values become a file of this suffix; None where they can not.

    It is called with the bands in order, the whole's shape [*shape, C], the metadata and the path. Nothing is held but
    a band; what is outside the format's range is clipped.
    """
    return _WRITERS.get((kind, suffix))


def _picture_as_npy(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], path: Path) -> None:
    dtype = str(meta["dtype"])
    _npy((quantised(band, dtype) for band in bands), shape, np.dtype(dtype), path)


def _array_as_npy(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], path: Path) -> None:
    dtype = str(meta["dtype"])
    if meta["channels"] == "none":
        shape = shape[:-1]
    _npy((arrays.as_dtype(band, dtype) for band in bands), shape, np.dtype(dtype), path)


def _npy(bands: Iterator[AnyArray], shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for band in bands:
            file.write(np.ascontiguousarray(band).data)


def _picture_as_tiff(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], path: Path) -> None:
    import base64

    import tifffile

    dtype, icc = str(meta["dtype"]), meta.get("icc")
    rows, columns, channels = shape
    tifffile.imwrite(
        path,
        _tiff_tiles((quantised(band, dtype) for band in bands), columns),
        shape=shape if channels > 1 else shape[:2],
        dtype=dtype,
        bigtiff=rows * columns * channels * np.dtype(dtype).itemsize > 2**31,
        tile=(TIFF_TILE, TIFF_TILE),
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        iccprofile=None if icc is None else base64.b64decode(icc),
        metadata=None,
    )


def _tiff_tiles(bands: Iterator[AnyArray], columns: int) -> Iterator[AnyArray]:
    """Tiles row by row of them, the last of each side filled up with zeros; out of bands of any height."""
    held: AnyArray | None = None
    for band in bands:
        held = band if held is None else np.concatenate([held, band])
        while len(held) >= TIFF_TILE:
            yield from _row_of_tiles(held[:TIFF_TILE], columns)
            held = held[TIFF_TILE:]
    if held is not None and len(held):
        yield from _row_of_tiles(held, columns)


def _row_of_tiles(rows: AnyArray, columns: int) -> Iterator[AnyArray]:
    for start in range(0, columns, TIFF_TILE):
        part = rows[:, start : start + TIFF_TILE]
        tile = np.zeros((TIFF_TILE, TIFF_TILE, rows.shape[-1]), rows.dtype)
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile if rows.shape[-1] > 1 else tile[..., 0]


def _sound(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], path: Path) -> None:
    import soundfile

    suffix = path.suffix.lower()
    rate_hz = int(meta["rate_hz"])
    subtype = sounds.subtype_for(suffix, str(meta["subtype"]), rate_hz)
    # RF64 is WAV with lengths of 64 bits
    form = "RF64" if suffix == ".wav" and shape[0] * shape[1] * 4 > 2**31 else suffix[1:].upper()
    with soundfile.SoundFile(path, "w", rate_hz, shape[1], subtype, format=form) as file:
        for band in bands:
            file.write(sounds.as_samples(band, subtype))


_WRITERS: dict[tuple[str, str], Writer] = {
    ("image", ".npy"): _picture_as_npy,
    ("image", ".tif"): _picture_as_tiff,
    ("image", ".tiff"): _picture_as_tiff,
    ("array", ".npy"): _array_as_npy,
    ("audio", ".wav"): _sound,
    ("audio", ".flac"): _sound,
}
