"""Values of a lattice in bands, so that results are made, measured and written in bounded memory; no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

AnyArray = np.ndarray[Any, np.dtype[Any]]

BAND_VALUES = 2**22
"""Values in a band, at most; but a band has at least one row."""


@dataclass(frozen=True)
class Bands:
    """Values [*shape] as parts [n, *shape[1:]] along the first axis, in order. They can be read once.

    shape: of all values together, with their channels.
    """

    shape: tuple[int, ...]
    parts: Iterable[AnyArray]

    @classmethod
    def of(cls, values: AnyArray) -> Self:
        """An array in views of some rows each."""
        return cls(values.shape, (values[rows] for rows in rows_of(values.shape)))

    def __iter__(self) -> Iterator[AnyArray]:
        return iter(self.parts)

    def each(self, change: Callable[[AnyArray], AnyArray], shape: tuple[int, ...] | None = None) -> Bands:
        """The bands with `change` applied to each of them. shape: of the result, if it is another one."""
        return Bands(shape or self.shape, (change(part) for part in self))

    def window(self, rows: slice, columns: slice) -> Bands:
        """Some rows and columns, given by start and stop; bands below them are not made."""
        shape = rows.stop - rows.start, columns.stop - columns.start, *self.shape[2:]

        def seen() -> Iterator[AnyArray]:
            first = 0
            for part in self:
                inside = part[max(0, rows.start - first) : rows.stop - first, columns]
                first += len(part)
                if len(inside):
                    yield inside
                if first >= rows.stop:
                    return

        return Bands(shape, seen())

    def whole(self, dtype: DTypeLike = np.float32) -> AnyArray:
        """All values in one array."""
        out = np.empty(self.shape, dtype)
        first = 0
        for part in self:
            out[first : first + len(part)] = part
            first += len(part)
        return out


def rows_of(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of each band of an array of this shape."""
    n = max(1, BAND_VALUES // max(1, math.prod(shape[1:])))
    return (slice(first, min(first + n, shape[0])) for first in range(0, shape[0], n))


class Regrouped:
    """Arrays of equal length that come in parts, cut anew into blocks of `n` rows; the last one may be shorter.

    overlap: rows that a block shares with the one before it. What is calculated block by block depends on the rows
    alone, not on the parts that they came in.
    """

    def __init__(self, n: int, overlap: int = 0) -> None:
        self._n, self._overlap = n, overlap
        self._held: tuple[AnyArray, ...] = ()

    def add(self, *arrays: AnyArray) -> Iterator[tuple[AnyArray, ...]]:
        """The blocks that are complete with these rows."""
        held = arrays
        if self._held and len(self._held[0]):
            held = tuple(np.concatenate([old, new]) for old, new in zip(self._held, arrays, strict=True))
        while len(held[0]) >= self._n:
            yield tuple(array[: self._n] for array in held)
            held = tuple(array[self._n - self._overlap :] for array in held)
        self._held = tuple(array.copy() for array in held)

    def rest(self) -> tuple[AnyArray, ...]:
        """The rows that no block has had; of rows that a block has had, the overlap."""
        return self._held
