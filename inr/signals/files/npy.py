"""Arrays in .npy and .npz. The header is checked against the length of the data before memory is taken."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import IO, Any, BinaryIO

import numpy as np

from inr.core.text import printable
from inr.signals.files.bands import Bands
from inr.signals.files.format import FORMATS, FileFormat

AnyArray = np.ndarray[Any, np.dtype[Any]]


def read_npy(data: bytes) -> AnyArray:
    """The array of an .npy file. Never unpickles. Raises ValueError for a damaged header, and for missing bytes."""
    file = io.BytesIO(data)
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize > len(data) - file.tell():
        raise ValueError(f"it is truncated: its header states {list(shape)} values of {dtype}")
    file.seek(0)
    array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def write_npy(bands: Bands, dtype: str, file: IO[bytes]) -> None:
    """Write values of a dtype as an .npy file."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": bands.shape})
    for band in bands:
        file.write(np.ascontiguousarray(band).data)


def as_dtype(values: AnyArray, dtype: str) -> AnyArray:
    """Values in a dtype: integers rounded and clipped, booleans by values > 1/2."""
    target = np.dtype(dtype)
    if target.kind == "b":
        return values > 0.5
    if target.kind == "f":
        info = np.finfo(target)
        return np.clip(values.astype(np.float64), float(info.min), float(info.max)).astype(target)
    bounds = np.iinfo(target)
    below_end = np.nextafter(float(bounds.max) + 1.0, 0.0)  # truncates to the maximum, also where 2^63 - 1 is no float
    return np.clip(np.rint(values.astype(np.float64)), float(bounds.min), below_end).astype(target)


@FORMATS.register(".npy")
class NpyFile(FileFormat):
    """One array."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        major, _ = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        return {"what": "array", "shape": list(shape), "dtype": str(dtype)}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        return f"{'x'.join(map(str, entry['shape']))} {entry['dtype']}"


@FORMATS.register(".npz")
class NpzFile(FileFormat):
    """Named arrays in a ZIP archive."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        with zipfile.ZipFile(file) as archive:
            return {"what": "arrays", "names": [name.removesuffix(".npy") for name in archive.namelist()]}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        return ", ".join(map(printable, entry["names"]))
