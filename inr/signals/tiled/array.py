"""Large arrays, read tile by tile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np

from inr.core.domain import Domain, Frame
from inr.signals._lattice import AnyArray, Lattice
from inr.signals._signal import Values
from inr.signals._source import Source
from inr.signals.array import MAX_VALUES, Array
from inr.signals.files.npy import as_dtype
from inr.signals.files.reading import head_of
from inr.signals.files.sniffing import suffix_of
from inr.signals.tiled.signal import TILED, Tiled, extremes, measure_of, middle_and_half
from inr.signals.tiled.stores import Tiles, mapped, npy_header


@TILED.register("array")
class TiledArray(Tiled):
    """An .npy of one to four axes; see `Array`. One pass over the file finds the range of its values."""

    kind: ClassVar[str] = "array"
    whole: ClassVar[type[Lattice]] = Array
    options: ClassVar[Mapping[str, Sequence[str]]] = {"channels": ("none", "last")}

    @classmethod
    def limit(cls) -> int:
        return MAX_VALUES

    @classmethod
    def size_in(cls, source: Source) -> int | None:
        return math.prod(npy_header(source)[2]) if suffix_of(head_of(source)) == ".npy" else None

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        has_channels = options.get("channels") == "last"
        _, dtype, shape, _ = npy_header(source)
        outline = Array.of_array(
            np.zeros((1,) * (len(shape) - has_channels) + shape[len(shape) - has_channels :], dtype),
            has_channels=has_channels,
            name=source.name,
        )
        store = mapped(source, len(shape) - has_channels)
        low, high = extremes(iter(Tiles(store)), source.name)
        domain = Domain(
            (0.0,) * len(store.shape), tuple(map(float, store.shape)), outline.frame.domain.axes, "elements"
        )
        meta = outline.meta | {"range": [float(np.float32(low.min())), float(np.float32(high.max()))]}
        return cls(store, Frame(domain, *middle_and_half(low, high)), meta, measure=measure_of(options))

    @property
    def peak(self) -> float:
        low, high = self.meta["range"]
        return (high - low) or 1.0

    def values_of(self, raw: AnyArray) -> Values:
        return raw.astype(np.float32)

    def as_written(self, values: Values) -> AnyArray:
        return as_dtype(values, self.meta["dtype"])
