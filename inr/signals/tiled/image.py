"""Large pictures, read tile by tile."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from inr.core.domain import Domain, Frame
from inr.core.errors import UnreadableError
from inr.signals._lattice import AnyArray, Lattice
from inr.signals._signal import Values
from inr.signals._source import Source
from inr.signals.files.picture_writing import as_written
from inr.signals.files.pictures import MAX_PIXELS, as_pixels
from inr.signals.files.reading import decoding, head_of
from inr.signals.files.sniffing import suffix_of
from inr.signals.files.tiff import Tiff
from inr.signals.image import Image
from inr.signals.tiled.signal import TILED, Tiled, extremes, measure_of, middle_and_half
from inr.signals.tiled.stores import MAX_TILE_VALUES, MappedStore, Store, TiffStore, Tiles, mapped, npy_header


@TILED.register("image")
class TiledImage(Tiled):
    """A picture in a TIFF with tiles or strips, or in an .npy [rows, columns, C] of uint8, uint16 or floats.

    Floats are mapped by their range, which takes a pass over the file; integers need none.
    """

    kind: ClassVar[str] = "image"
    whole: ClassVar[type[Lattice]] = Image

    @classmethod
    def limit(cls) -> int:
        return MAX_PIXELS

    @classmethod
    def size_in(cls, source: Source) -> int | None:
        suffix = suffix_of(head_of(source))
        if suffix == ".tif":
            with decoding(source, "a picture"), source.open() as file:
                return math.prod(Tiff(file, source.name).shape)
        return math.prod(npy_header(source)[2][:2]) if suffix == ".npy" else None

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        assert source.path is not None
        icc: bytes | None = None
        notes: tuple[str, ...] = ()
        store: Store
        if suffix_of(head_of(source)) == ".npy":
            _, dtype, shape, _ = npy_header(source)
            as_pixels(np.empty((1,) * min(2, len(shape)) + shape[2:], dtype), source.name)
            store = mapped(source, 2)
        else:
            store, page = _tiff(source)
            icc, notes = page.icc, page.notes
        columns, rows = float(store.shape[1]), float(store.shape[0])
        channels = store.channels
        span = (np.zeros(channels), np.ones(channels))
        if store.dtype.kind == "f":
            span = extremes(iter(Tiles(store)), source.name)
        offset, scale = middle_and_half(*span)
        stored = "float32" if store.dtype.kind == "f" else str(store.dtype)
        meta = {
            "dtype": stored,
            "channels": channels,
            "icc": None if icc is None else base64.b64encode(icc).decode("ascii"),
        }
        frame = Frame(Domain((0.0, 0.0), (columns, rows), ("x", "y"), "pixels"), offset, scale)
        signal = cls(store, frame, meta, order=(1, 0), measure=measure_of(options), notes=notes)
        signal._peak = (
            1.0 if stored != "float32" else float(np.float32(span[1].max()) - np.float32(span[0].min())) or 1.0
        )
        return signal

    @property
    def peak(self) -> float:
        return self._peak

    def values_of(self, raw: AnyArray) -> Values:
        values: Values = raw.astype(np.float32)
        return values if raw.dtype.kind == "f" else values / np.float32(np.iinfo(raw.dtype).max)

    def as_written(self, values: Values) -> AnyArray:
        return as_written(values, self.meta["dtype"])

    def counted(self, values: Values) -> AnyArray | None:
        """Colours under transparent pixels do not count."""
        if self.spec.d_out not in (2, 4):
            return None
        counted = np.ones(values.shape, np.bool_)
        counted[..., :-1] = values[..., -1:] > 0
        return counted


def _tiff(source: Source) -> tuple[Store, Tiff]:
    """The store of a TIFF, and its first page. Raises UnreadableError for blocks that are too large to be held."""
    assert source.path is not None
    store = TiffStore(source.path)
    page = store.page
    if math.prod(store.tile) * store.channels > MAX_TILE_VALUES:
        if page.plain_offset is not None:
            return MappedStore(source.path, page.plain_offset, page.stored_dtype, store.shape, store.channels), page
        raise UnreadableError(
            f"picture {source.name!r} is read tile by tile, and has blocks of {store.tile[1]}x{store.tile[0]} pixels, "
            f"expected at most {MAX_TILE_VALUES} values in one",
            "save it as a tiled TIFF, or as .npy",
        )
    store.read(Tiles(store).box(0))  # damage is found before the work
    return store, page
