"""Arrays: .npy and .npz of one to four axes, with one value or a few channels per element."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from inr._domain import Domain, Frame, Grid, Spec
from inr._errors import UnreadableError, UsageError, did_you_mean
from inr.signals import metrics as measures
from inr.signals._lattice import AnyArray, Lattice, min_max_map, squeeze_slices, view_grid
from inr.signals._pictures import encode
from inr.signals._reading import check_options, decoding, read_bytes
from inr.signals._signal import SIGNALS, Source, Values, View

MAX_VALUES = 2**30
MAX_CHANNELS = 256


@SIGNALS.register("array")
class Array(Lattice):
    """An array. Coordinate d runs along array axis d, from 0 to its length n; element i is centred at i + 1/2.

    Options: `key` names the array in an .npz (default: the first); `channels=last` makes the last axis channels
    (default `none`: every axis is a coordinate, one channel). Values are mapped to [-1, 1] by each channel's range.
    Slice positions are element indices.
    """

    kind: ClassVar[str] = "array"
    extensions: ClassVar[tuple[str, ...]] = (".npy", ".npz")
    formats: ClassVar[tuple[str, ...]] = (".npy", ".npz", ".png")

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("array", options, {"key": None, "channels": ("none", "last")})
        data = read_bytes(source)
        with decoding(source, "an array"):
            if data[:4] == b"PK\x03\x04":
                array = _read_npz(data, source, options.get("key"))
            elif "key" in options:
                raise UsageError(f"option key is given, but {source.name!r} is not an .npz file")
            else:
                array = _read_npy(io.BytesIO(data), len(data), source)
        return cls.of_array(array, has_channels=options.get("channels") == "last", name=source.name)

    @classmethod
    def of_array(cls, array: AnyArray, *, has_channels: bool = False, name: str = "array") -> Self:
        """An array signal; raises UnreadableError for other than 1 to 4 coordinate axes, no elements, NaN, infinity."""
        n_axes = array.ndim - has_channels
        if not 1 <= n_axes <= 4 or array.size == 0:
            raise UnreadableError(
                f"array {name!r} has shape {array.shape}, expected 1 to 4 coordinate axes and at least one element"
            )
        if has_channels and array.shape[-1] > MAX_CHANNELS:
            raise UnreadableError(
                f"array {name!r} has {array.shape[-1]} channels on its last axis, expected at most {MAX_CHANNELS}"
            )
        _check_dtype(array.dtype, name)
        with np.errstate(over="ignore"):
            values: Values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise UnreadableError(f"array {name!r} has NaN, infinite, or too large values for float32")
        notes: tuple[str, ...] = ()
        if array.dtype.kind in "iu" and (values.astype(np.float64) != array.astype(np.float64)).any():
            notes = (f"{name}: integers beyond 2^24 are rounded to float32",)
        if not has_channels:
            values = values[..., None]
        shape = values.shape[:-1]
        domain = Domain((0.0,) * n_axes, tuple(map(float, shape)), tuple(f"axis{a}" for a in range(n_axes)), "elements")
        offset, scale = min_max_map(values)
        meta = {
            "dtype": str(array.dtype.newbyteorder("=")),
            "channels": "last" if has_channels else "none",
            "range": [float(values.min()), float(values.max())],
        }
        return cls(values, Frame(domain, offset, scale), meta, notes)

    @property
    def peak(self) -> float:
        """The range of the values, maximum - minimum; 1 for a constant array."""
        low, high = self.meta["range"]
        return (high - low) or 1.0

    def metrics_of(self, values: Values) -> dict[str, float]:
        """psnr_db (peak: the range of the values), mse and max_error, as written (integers rounded and clipped)."""
        written = as_dtype(values, self.meta["dtype"]).astype(np.float64)
        reference = self.values.numpy()
        mse = measures.mse(written, reference)
        return {
            "psnr_db": measures.psnr_of_mse(mse, self.peak),
            "mse": mse,
            "max_error": float(np.abs(written - reference).max()),
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        view.refuse("array", "scale", "size", "crop", "slices")
        assert spec.shape is not None
        grid, sliced = view_grid("array", frame.domain, spec.shape, view, slice_offset=0.5)
        return grid, {**meta, "sliced": sliced}

    @classmethod
    def write(cls, values: Values, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """.npy, .npz (named "values") in the source's dtype; .png for two axes: 8-bit as they are, others stretched."""
        dtype = str(meta["dtype"])
        array = squeeze_slices(as_dtype(values, dtype), meta)
        notes: tuple[str, ...] = ()
        if np.dtype(dtype).kind in "iu":
            info = np.iinfo(dtype)
            n_clipped = int(np.count_nonzero((values < info.min - 0.5) | (values > info.max + 0.5)))
            if n_clipped:
                notes = (f"{n_clipped} of {values.size} values were outside the range of {dtype} and were clipped",)
        if suffix == ".png":
            return notes + _write_png(array, meta, file)
        if meta["channels"] == "none":
            array = array[..., 0]
        if suffix == ".npz":
            np.savez_compressed(file, values=array)
        else:
            np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        return notes


def _write_png(array: AnyArray, meta: Mapping[str, Any], file: BinaryIO) -> tuple[str, ...]:
    if array.ndim != 3 or array.shape[-1] > 4:
        raise UsageError(
            f"a result with {array.ndim - 1} axes and {array.shape[-1]} channels can not be written as .png, "
            "expected 2 axes and 1 to 4 channels",
            "use --slice, or write .npy",
        )
    if array.dtype == np.uint8:
        file.write(encode(array, ".png"))
        return ()
    low, high = meta["range"]
    unit = (array.astype(np.float64) - low) / ((high - low) or 1.0)
    file.write(encode(np.rint(np.clip(unit, 0, 1) * 65535).astype(np.uint16), ".png"))
    return (f"the picture shows the values {low:g} to {high:g} as black to white",)


def as_dtype(values: Values, dtype: str) -> AnyArray:
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


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise UnreadableError(f"array {name!r} has dtype {dtype}, expected booleans, integers or floats")


def _read_npz(data: bytes, source: Source, key: str | None) -> AnyArray:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if not members:
            raise UnreadableError(f"{source.name!r} has no arrays")
        if key is None:
            key = next(iter(members))
        elif key not in members:
            raise UsageError(
                f"option key is {key!r}, which is not in {source.name!r}{did_you_mean(key, members)}",
                f"it has: {', '.join(members)}",
            )
        with archive.open(members[key]) as member:
            return _read_npy(io.BytesIO(member.read(8 * MAX_VALUES)), members[key].file_size, source)


def _read_npy(file: io.BytesIO, n_bytes: int, source: Source) -> AnyArray:
    """The array in an .npy stream, after its header was checked against what follows; never unpickles."""
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    _check_dtype(dtype, source.name)
    if any(n < 0 for n in shape) or math.prod(shape) > MAX_VALUES:
        raise UnreadableError(f"array {source.name!r} has shape {shape}, expected at most {MAX_VALUES} (2^30) values")
    if math.prod(shape) * dtype.itemsize > n_bytes - file.tell():
        raise UnreadableError(f"can not read {source.name!r} as an array: it is truncated")
    file.seek(0)
    array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
    return array
