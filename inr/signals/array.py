"""Arrays: .npy and .npz of one to four axes, with one value or a few channels per element."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, Any, BinaryIO, ClassVar, Self

import numpy as np

from inr.core.domain import Domain, Frame, Grid, Spec
from inr.core.errors import UnreadableError, UsageError, did_you_mean
from inr.core.rules import items, number, one_of
from inr.signals import metrics as measures
from inr.signals._described import Described
from inr.signals._lattice import AnyArray, Lattice, min_max_map, view_grid
from inr.signals._signal import SIGNALS, Source, Values, View
from inr.signals.files.bands import Bands
from inr.signals.files.npy import as_dtype, write_npy
from inr.signals.files.picture_writing import save
from inr.signals.files.reading import MOST_SHOWN, check_options, decoding, open_file

MAX_VALUES = 2**30
MAX_CHANNELS = 256
MAX_LISTED = 8
"""Names of arrays in a message, at most."""
_POINTS = 100
"""Rows of three numbers from which they may be points."""

_BITS = (8, 16, 32, 64)
DTYPES = ("bool", *(f"{sign}int{n}" for sign in ("", "u") for n in _BITS), *(f"float{n}" for n in _BITS[1:]))


@SIGNALS.register("array")
class Array(Lattice):
    """An array. Coordinate d runs along array axis d, from 0 to its length n; element i is centred at i + 1/2.

    Options: `key` names the array in an .npz (default: the first, with a note of the others); `channels=last` makes the
    last axis channels (default `none`: every axis is a coordinate, one channel). Values are mapped to [-1, 1] by each
    channel's range. Slice positions are element indices.
    """

    kind: ClassVar[str] = "array"
    noun: ClassVar[str] = "array"
    extensions: ClassVar[tuple[str, ...]] = (".npy", ".npz")
    formats: ClassVar[tuple[str, ...]] = (".npy", ".npz", ".png")
    described: ClassVar[Described] = Described(
        d_in=(1, 4),
        d_out=(1, MAX_CHANNELS),
        is_lattice=True,
        meta={"dtype": one_of(*DTYPES), "channels": one_of("none", "last"), "range": items(number(), 2, 2)},
    )

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("array", options, {"key": None, "channels": ("none", "last")})
        notes: tuple[str, ...] = ()
        with open_file(source) as file, decoding(source, "an array"):
            if file.read(4) == b"PK\x03\x04":
                array, notes = _read_npz(file, source, options.get("key"))
            elif "key" in options:
                raise UsageError(f"option key is given, but {source.name!r} is not an .npz file")
            else:
                n_bytes = file.seek(0, io.SEEK_END)
                file.seek(0)
                array = _read_npy(file, n_bytes, source)
        signal = cls.of_array(array, has_channels=options.get("channels") == "last", name=source.name)
        signal.notes = notes + signal.notes
        return signal

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        return {"channels": "last"} if meta.get("channels") == "last" else {}

    @classmethod
    def of_array(cls, array: AnyArray, *, has_channels: bool = False, name: str = "array") -> Self:
        """An array signal, which keeps a float32 array itself, not a copy.

        Raises UnreadableError for other than 1 to 4 coordinate axes, no elements, NaN, infinity.
        """
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
            values: Values = np.require(array, np.float32, "W")
        least, most = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            raise UnreadableError(f"array {name!r} has NaN, infinite, or too large values for float32")
        notes: tuple[str, ...] = ()
        if array.dtype.kind in "iu" and max(-int(array.min()), int(array.max())) > 2**24:
            notes = (f"{name}: integers beyond 2^24 are held as float32, which has 24 bits",)
        if not has_channels:
            values = values[..., None]
        shape = values.shape[:-1]
        domain = Domain((0.0,) * n_axes, tuple(map(float, shape)), tuple(f"axis{a}" for a in range(n_axes)), "elements")
        offset, scale = min_max_map(values)
        meta = {
            "dtype": str(array.dtype.newbyteorder("=")),
            "channels": "last" if has_channels else "none",
            "range": [least, most],
        }
        return cls(values, Frame(domain, offset, scale), meta, notes)

    def doubts(self) -> tuple[str, ...]:
        """That the rows of an .npy with three or six floating-point numbers may be points of a surface."""
        shape = (*self.values.shape[:-1], *([] if self.meta["channels"] == "none" else self.values.shape[-1:]))
        may_be = len(shape) == 2 and shape[0] >= _POINTS and shape[1] in (3, 6)
        if not may_be or not self.meta["dtype"].startswith("float") or self.name.endswith(".npz"):
            return ()
        columns = "x y z" if shape[1] == 3 else "x y z nx ny nz"
        return (
            f"{self.name}: an array of {shape[0]} x {shape[1]} numbers is fitted; if its rows are points {columns} of "
            "a surface, `kind=points` fits that, or `kind=unsigned` if it is open",
        )

    @property
    def peak(self) -> float:
        """The range of the values, maximum - minimum; 1 for a constant array."""
        low, high = self.meta["range"]
        return (high - low) or 1.0

    def measure(self, bands: Bands) -> dict[str, float]:
        """psnr_db (peak: the range of the values), mse and max_error, as written (integers rounded and clipped)."""
        errors, largest = measures.SquaredError(), 0.0
        for values, reference in self.beside(bands):
            written = as_dtype(values, self.meta["dtype"]).astype(np.float64)
            errors.add(written, reference)
            largest = float(np.maximum(largest, np.abs(written - reference).max()))
        return {
            "psnr_db": measures.psnr_of_mse(errors.mse, self.peak),
            "mse": errors.mse,
            "max_error": largest,
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        view.refuse("array", "scale", "size", "crop", "slices")
        assert spec.shape is not None
        grid, sliced = view_grid("array", frame.domain, spec.shape, view, slice_offset=0.5)
        return grid, {**meta, "sliced": sliced}

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """.npy, .npz (named "values") in the source's dtype; .png for two axes: 8-bit as they are, others stretched."""
        dtype = str(meta["dtype"])
        n_clipped = 0

        def stored(values: Values) -> AnyArray:
            nonlocal n_clipped
            if np.dtype(dtype).kind in "iu":
                info = np.iinfo(dtype)
                n_clipped += int(np.count_nonzero((values < info.min - 0.5) | (values > info.max + 0.5)))
            return as_dtype(values, dtype)

        array = bands.each(stored)
        more: tuple[str, ...] = ()
        if suffix == ".png":
            more = _write_png(array, meta, file)
        else:
            if meta["channels"] == "none":
                array = array.each(lambda part: part[..., 0], bands.shape[:-1])
            if suffix == ".npz":
                _write_npz(array, dtype, file)
            else:
                write_npy(array, dtype, file)
        if n_clipped:
            more = (
                f"{n_clipped} of {math.prod(bands.shape)} values were outside the range of {dtype} and were clipped",
                *more,
            )
        return more


def _write_npz(array: Bands, dtype: str, file: BinaryIO) -> None:
    """As `numpy.savez_compressed`."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("values.npy", "w", force_zip64=True) as member:
        write_npy(array, dtype, member)


def _write_png(array: Bands, meta: Mapping[str, Any], file: BinaryIO) -> tuple[str, ...]:
    n_axes, channels = len(array.shape) - 1, array.shape[-1]
    if n_axes != 2 or channels > 4:
        raise UsageError(
            f"a result with {n_axes} axes and {channels} channels cannot be written as .png, "
            "expected 2 axes and 1 to 4 channels",
            "use `slices`, or write .npy",
        )
    if meta["dtype"] == "uint8":
        save(array, "uint8", file, ".png")
        return ()
    low, high = meta["range"]

    def stretched(values: AnyArray) -> AnyArray:
        unit = (values.astype(np.float64) - low) / ((high - low) or 1.0)
        return as_dtype(np.clip(unit, 0, 1) * 65535, "uint16")

    save(array.each(stretched), "uint16", file, ".png")
    return (f"the picture shows the values {low:g} to {high:g} as black to white",)


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise UnreadableError(f"array {name!r} has dtype {dtype}, expected booleans, integers or floats")


def _read_npz(file: BinaryIO, source: Source, key: str | None) -> tuple[AnyArray, tuple[str, ...]]:
    """The array with a name, or the first, with a note that names the others."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if not members:
            raise UnreadableError(f"{source.name!r} has no arrays")
        if key is not None and key not in members:
            raise UsageError(
                f"option key is {key!r}, which is not in {source.name!r}{did_you_mean(key, members)}",
                f"it has: {_listed(members)}",
            )
        name = next(iter(members)) if key is None else key
        if members[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableError(
                f"array {name!r} in {source.name!r} is compressed by an unsupported method, expected stored or "
                "deflated data",
                "write it with numpy.savez_compressed",
            )
        others = [other for other in members if other != name]
        try:
            with archive.open(members[name]) as member:
                array = _read_npy(member, members[name].file_size, source, name)
        except (UnreadableError, ValueError) as error:
            if key is not None or not others:
                raise
            fit = next((other for other in others if _is_numeric(archive, members[other])), others[0])
            reason = error.message if isinstance(error, UnreadableError) else str(error).splitlines()[0][:MOST_SHOWN]
            raise UnreadableError(
                f"{source.name!r} has {len(members)} arrays, and the first, {name!r}, cannot be read: {reason}",
                f"it has: {_listed(members)}; choose one: `signal.key={fit}`",
            ) from error
    if key is None and others:
        text = f"{source.name}: {name!r} of its {len(members)} arrays is used; the others are {_listed(others)}"
        return array, (f"{text} (signal.key={others[0]})",)
    return array, ()


def _listed(names: Iterable[str]) -> str:
    """The first names, and the number of the others."""
    names = list(names)
    return ", ".join(names[:MAX_LISTED]) + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _is_numeric(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether a member of an .npz is an array that can be read, by its header."""
    with contextlib.suppress(Exception), archive.open(member) as file:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        return dtype.kind in "buif" and 1 <= len(shape) <= 5
    return False


def _read_npy(file: IO[bytes], n_bytes: int, source: Source, key: str | None = None) -> AnyArray:
    """The array in an .npy stream, after its header was checked against what follows; never unpickles.

    key: its name, if it is in an .npz.
    """
    name = source.name if key is None else f"{source.name}: {key}"
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    _check_dtype(dtype, name)
    if any(n < 0 for n in shape) or math.prod(shape) > MAX_VALUES:
        raise UnreadableError(f"array {name!r} has shape {shape}, expected at most {MAX_VALUES} (2^30) values")
    if math.prod(shape) * dtype.itemsize > n_bytes - file.tell():
        raise UnreadableError(f"cannot read {name!r} as an array: it is truncated")
    file.seek(0)
    array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
    return array
