"""Writers of results larger than memory, which come in bands: .npy, tiled TIFF, WAV and FLAC. See `PartWriter`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from inr.signals.files.npy import AnyArray, as_dtype
from inr.signals.files.pictures import fitting_profile, quantised, tiff_layout
from inr.signals.files.sound_containers import set_channel_mask
from inr.signals.files.sound_writing import Values, as_samples, channel_mask_of, format_for, subtype_for

TIFF_TILE = 256


def picture_as_npy(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], file: BinaryIO) -> None:
    dtype = str(meta["dtype"])
    _npy((quantised(band, dtype) for band in bands), shape, np.dtype(dtype), file)


def array_as_npy(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], file: BinaryIO) -> None:
    dtype = str(meta["dtype"])
    if meta["channels"] == "none":
        shape = shape[:-1]
    _npy((as_dtype(band, dtype) for band in bands), shape, np.dtype(dtype), file)


def _npy(bands: Iterator[AnyArray], shape: tuple[int, ...], dtype: np.dtype[Any], file: BinaryIO) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for band in bands:
        file.write(np.ascontiguousarray(band).data)


def picture_as_tiff(bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], file: BinaryIO) -> None:
    import tifffile

    dtype = str(meta["dtype"])
    rows, columns, channels = shape
    icc, _ = fitting_profile(meta, channels, ".tif")
    tifffile.imwrite(
        tifffile.FileHandle(file, name="picture.tif"),  # a file that is not named yet has a number for a name
        _tiff_tiles((quantised(band, dtype) for band in bands), columns),
        shape=shape if channels > 1 else shape[:2],
        dtype=dtype,
        bigtiff=rows * columns * channels * np.dtype(dtype).itemsize > 2**31,
        tile=(TIFF_TILE, TIFF_TILE),
        **tiff_layout(channels, icc),
    )


def _tiff_tiles(bands: Iterator[AnyArray], columns: int) -> Iterator[AnyArray]:
    """Tiles in row-major order, padded with zeros at the far sides, from bands of any height."""
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


def sound(
    suffix: str, bands: Iterator[Values], shape: tuple[int, ...], meta: Mapping[str, Any], file: BinaryIO
) -> None:
    import soundfile

    rate_hz = int(meta["rate_hz"])
    subtype = subtype_for(suffix, str(meta["subtype"]), rate_hz)
    mask = channel_mask_of(meta)
    is_long = suffix == ".wav" and shape[0] * shape[1] * 4 > 2**31  # RF64 is WAV with lengths of 64 bits
    form = "RF64" if is_long else format_for(suffix, mask)
    held = _Held(file)
    with soundfile.SoundFile(held, "w", rate_hz, shape[1], subtype, format=form) as opened:
        for band in bands:
            opened.write(as_samples(band, subtype))
            held.check()
    held.check()
    if suffix == ".wav" and mask is not None:
        set_channel_mask(file, mask)


class _Held:
    """A file for libsndfile, whose callbacks must not raise: the first error is kept until `check`."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.read = file.seek, file.tell, file.read
        self._file = file
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            if self._error is None:
                self._file.write(data)
        except OSError as error:
            self._error = error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error
