"""Values that stay on disk, read block by block: .npy by memory map, TIFF by tiles or strips, sound by seeking."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals._lattice import AnyArray
from inr.signals._signal import Source
from inr.signals.files.reading import decoding
from inr.signals.files.sounds import heading_of, opened
from inr.signals.files.tiff import Tiff

CACHE_BYTES = 2**29
"""Decoded tiles kept in memory, at most (but one tile always is)."""

TILE_VALUES = 2**18
"""Approximate number of values in a tile, for files that are not stored in tiles."""

MAX_TILE_VALUES = 2**26

Box = tuple[slice, ...]


class Store(ABC):
    """An array [*shape, C] of `dtype` in a file, cut into blocks of shape `tile` (smaller at the far ends)."""

    shape: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    tile: tuple[int, ...]

    @abstractmethod
    def read(self, box: Box) -> AnyArray:
        """The values [*, C] of one tile, as a copy. Raises UnreadableError for damage."""


class Tiles:
    """A store's tiles by number, row-major over their lattice; the last ones used stay in memory.

    cache_bytes: how much of them, at most.
    """

    def __init__(self, store: Store, cache_bytes: int = CACHE_BYTES) -> None:
        self.store = store
        self.counts = tuple(-(-n // t) for n, t in zip(store.shape, store.tile, strict=True))
        self.cache_bytes = cache_bytes
        self.n_reads = 0
        self._kept: OrderedDict[int, AnyArray] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __iter__(self) -> Iterator[AnyArray]:
        return (self.store.read(self.box(i)) for i in range(len(self)))

    @property
    def tile_bytes(self) -> int:
        return math.prod(self.store.tile) * self.store.channels * self.store.dtype.itemsize

    def box(self, i: int) -> Box:
        """Where a tile lies."""
        place = np.unravel_index(i, self.counts)
        parts = zip(place, self.store.tile, self.store.shape, strict=True)
        return tuple(slice(int(p) * t, min((int(p) + 1) * t, n)) for p, t, n in parts)

    def indices(self, i: int) -> AnyArray:
        """The flat indices of a tile's samples, in the tile's order."""
        index = np.zeros((), np.int64)
        for part, n in zip(self.box(i), self.store.shape, strict=True):
            index = index[..., None] * n + np.arange(part.start, part.stop)
        return index.reshape(-1)

    def tile(self, i: int) -> AnyArray:
        """A tile's values [*, C], from the cache if it is there."""
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        values = self.store.read(self.box(i))
        self.n_reads += 1
        while self._kept and self._bytes + values.nbytes > self.cache_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        self._kept[i] = values
        self._bytes += values.nbytes
        return values

    def gather(self, index: AnyArray) -> AnyArray:
        """The values [N, C] at flat indices [N], each tile touched once."""
        place = np.unravel_index(index, self.store.shape)
        tiles = np.ravel_multi_index(tuple(p // t for p, t in zip(place, self.store.tile, strict=True)), self.counts)
        out = np.empty((len(index), self.store.channels), self.store.dtype)
        order = np.argsort(tiles, kind="stable")
        numbers, starts = np.unique(tiles[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            within = tuple(p[here] - part.start for p, part in zip(place, self.box(number), strict=True))
            out[here] = self.tile(number)[within]
        return out


class MappedStore(Store):
    """Numbers stored as in memory. The memory map is closed after each read, so that it holds no pages."""

    def __init__(self, path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], channels: int) -> None:
        self._path, self._offset, self._stored = path, offset, dtype
        self.shape, self.channels, self.dtype = shape, channels, dtype.newbyteorder("=")
        self.tile = own_tile(shape, channels)

    def read(self, box: Box) -> AnyArray:
        with decoding(Source(str(self._path)), "an array"):
            whole = np.memmap(self._path, self._stored, "r", self._offset, (*self.shape, self.channels))
            values: AnyArray = np.array(whole[box], self.dtype)
        return values


class TiffStore(Store):
    """The pixels of a TIFF's first page, upright, by its tiles, or its strips."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with decoding(Source(str(path)), "a picture"), path.open("rb") as file:
            self.page = page = Tiff(file, str(path))
        self.shape, self.channels, self.dtype, self.tile = page.shape, page.channels, page.dtype, page.tile

    def read(self, box: Box) -> AnyArray:
        rows, columns = ((part.start, part.stop) for part in box)
        with decoding(Source(str(self._path)), "a picture"), self._path.open("rb") as file:
            pixels: AnyArray = self.page.read(file, rows, columns)
        return pixels


class SoundStore(Store):
    """The samples of a sound file as floats, found by seeking."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.heading = heading_of(file, str(path))
        self._path = path
        self.shape, self.channels = (self.heading.n_samples,), self.heading.channels
        self.dtype = np.dtype(np.float32)
        self.tile = own_tile(self.shape, self.channels)

    def read(self, box: Box) -> AnyArray:
        (part,) = box
        with self._path.open("rb") as file, opened(file, str(self._path)) as found:
            found.sound.seek(part.start)
            values: AnyArray = found.sound.read(part.stop - part.start, dtype="float32", always_2d=True)
        if len(values) < part.stop - part.start:
            raise UnreadableError(f"cannot read {str(self._path)!r} as a sound: it is truncated")
        return values


def own_tile(shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """Blocks of about `TILE_VALUES` values, as near to cubes as the array's sides allow."""
    tile: list[int] = [0] * len(shape)
    left = max(1, TILE_VALUES // channels)
    for done, axis in enumerate(sorted(range(len(shape)), key=lambda a: shape[a])):
        tile[axis] = max(1, min(shape[axis], int(left ** (1 / (len(shape) - done)) + 1e-9)))
        left //= tile[axis]
    return tuple(tile)


def npy_header(source: Source) -> tuple[int, np.dtype[Any], tuple[int, ...], bool]:
    """(offset of the data, dtype, shape, whether in Fortran order) of an .npy file, checked against its length."""
    with decoding(source, "an array"), source.open() as file:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
        offset = file.tell()
        n_bytes = file.seek(0, io.SEEK_END) - offset
        if dtype.hasobject or any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize > n_bytes:
            raise UnreadableError(f"cannot read {source.name!r} as an array: it is truncated, or holds objects")
    return offset, dtype, shape, is_fortran


def mapped(source: Source, n_axes: int) -> MappedStore:
    """The store of an .npy file whose first `n_axes` axes are coordinates, and whose next, if any, is channels."""
    offset, dtype, shape, is_fortran = npy_header(source)
    if is_fortran:
        raise UnreadableError(
            f"array {source.name!r} is in Fortran order, which cannot be read in blocks", "save it in C order"
        )
    assert source.path is not None
    channels = shape[n_axes] if len(shape) > n_axes else 1
    return MappedStore(source.path, offset, dtype, shape[:n_axes], channels)
