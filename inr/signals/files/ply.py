"""PLY: its header, and the rows of its elements as columns, binary or ASCII, whatever lists they hold."""

from __future__ import annotations

import array
import dataclasses
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from inr.signals._source import Source
from inr.signals.files.text import blocks, numbers

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_STRUCT = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
_ENDIAN = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_MAX_HEADER = 2**16

Column = np.ndarray[Any, np.dtype[np.float64]]
Sizes = np.ndarray[Any, np.dtype[np.int64]]


@dataclasses.dataclass(frozen=True)
class Property:
    """code: NumPy's type code of the values ("f4"). count: that of a list's length, "" for a single value."""

    name: str
    code: str
    count: str = ""


@dataclasses.dataclass(frozen=True)
class Element:
    name: str
    count: int
    properties: tuple[Property, ...]


@dataclasses.dataclass(frozen=True)
class PlyHeader:
    """format: "ascii" or one of the binary ones. size_bytes: where the rows begin."""

    format: str
    elements: tuple[Element, ...]
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class PlyTable:
    """The rows of an element. scalars: name -> column [count], float64. lists: name -> (values of all rows, one after
    the other, as float64 or int64; length of each row's)."""

    count: int
    scalars: dict[str, Column]
    lists: dict[str, tuple[np.ndarray[Any, Any], Sizes]]


def parse_header(data: bytes) -> PlyHeader:
    """The header at the start of a PLY file; ValueError when there is none."""
    first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", data)
    if first is None:
        raise ValueError("it does not begin with a line 'ply'")
    last = {b"\r\n": rb"[ \t]*\r?\n", b"\n": rb"[ \t]*\r?\n", b"\r": rb"[ \t]*\r"}[first[1]]
    end = re.compile(rb"[\r\n]end_header" + last).search(data, 0, _MAX_HEADER)
    if end is None:
        raise ValueError("it ends in its header")
    form = ""
    elements: list[tuple[str, int, list[Property]]] = []
    for number, line in enumerate(data[: end.start()].decode("ascii", "replace").splitlines(), 1):
        words = line.split()
        try:
            if words[:1] == ["format"]:
                form = words[1]
            elif words[:1] == ["element"]:
                elements.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1][2].append(Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[:1] == ["property"]:
                elements[-1][2].append(Property(words[2], _TYPES[words[1]]))
        except (KeyError, IndexError, ValueError):
            raise ValueError(f"line {number} of its header is not understood: {line.strip()[:60]!r}") from None
    if form not in _ENDIAN:
        raise ValueError(f"its format is {form!r}, expected one of {', '.join(_ENDIAN)}")
    found = tuple(Element(name, count, tuple(properties)) for name, count, properties in elements)
    for element in found:
        if element.count < 0:
            raise ValueError(f"its header states a negative number of {element.name!r}")
        if any(p.count in ("f4", "f8") for p in element.properties):
            raise ValueError(f"a list of its element {element.name!r} has a length that is not a whole number")
        _no_repeat([p.name for p in element.properties], f"properties of {element.name!r}")
    _no_repeat([element.name for element in found], "elements")
    return PlyHeader(form, found, end.end())


def _no_repeat(names: list[str], what: str) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ValueError(f"its header has two {what} with the name {repeated!r}")


def has_faces(source: Source) -> bool:
    """Whether a file is a PLY with at least one face; False for anything else."""
    try:
        with source.open() as file:
            header = parse_header(file.read(_MAX_HEADER))
    except (ValueError, OSError):
        return False
    return any(element.name in ("face", "tristrips") and element.count > 0 for element in header.elements)


def read_vertices(data: bytes) -> dict[str, Column]:
    """The single values of the element "vertex" as float64 columns; ValueError for damage."""
    found = read_elements(data, ("vertex",))
    if "vertex" not in found:
        raise ValueError("it has no element 'vertex'")
    return found["vertex"].scalars


def read_elements(data: bytes, wanted: Collection[str]) -> dict[str, PlyTable]:
    """The tables of elements by their names, of those that the file has.

    ValueError, with the counts, when the file ends before the rows that its header states, and when more rows follow.
    """
    header = parse_header(data)
    rows: _Rows
    if header.format == "ascii":
        rows = _AsciiRows(data[header.size_bytes :])
    else:
        rows = _BinaryRows(data, header.size_bytes, _ENDIAN[header.format])
    found = {}
    for element in header.elements:
        places = rows.places(element)
        if element.name in wanted:
            found[element.name] = rows.table(element, *places)
    rows.check_end(header.elements)
    return found


class _Rows(ABC):
    """Rows of elements, one after the other. Positions are in bytes or, of an ASCII file, in numbers."""

    position: int
    size: int

    @abstractmethod
    def width(self, code: str) -> int:
        """How far a value of this type reaches."""

    @abstractmethod
    def count_at(self, place: int, code: str) -> int:
        """The length of a list at a position."""

    @abstractmethod
    def values(self, places: Sizes, code: str) -> np.ndarray[Any, Any]:
        """The values at positions."""

    def check_end(self, elements: Sequence[Element]) -> None:
        """ValueError if at least one more row follows."""
        last = next((e for e in reversed(elements) if e.count and e.properties), None)
        rest = self.size - self.position
        if last is not None and rest >= sum(self.width(p.count or p.code) for p in last.properties):
            raise ValueError(f"its header states {last.count} rows of its element {last.name!r}, but more rows follow")

    def table(self, element: Element, starts: list[Sizes], sizes: list[Sizes | None]) -> PlyTable:
        """The columns of an element whose values stand at `places`."""
        scalars: dict[str, Column] = {}
        lists: dict[str, tuple[np.ndarray[Any, Any], Sizes]] = {}
        for p, start, size in zip(element.properties, starts, sizes, strict=True):
            if size is None:
                with np.errstate(invalid="ignore"):  # NaN that signals
                    scalars[p.name] = self.values(start, p.code).astype(np.float64)
            else:
                ends = np.cumsum(size)
                within = np.arange(int(size.sum())) - np.repeat(ends - size, size)
                lists[p.name] = self.values(np.repeat(start, size) + within * self.width(p.code), p.code), size
        return PlyTable(element.count, scalars, lists)

    def places(self, element: Element) -> tuple[list[Sizes], list[Sizes | None]]:
        """Of each property, where its values start in each row and, of a list, its lengths; moves past the rows."""
        none = np.zeros(0, np.int64)
        if not element.properties or not element.count:
            return [none] * len(element.properties), [none if p.count else None for p in element.properties]
        least = sum(self.width(p.count or p.code) for p in element.properties)
        if element.count * least > self.size - self.position:
            there = (self.size - self.position) // least
            raise ValueError(
                f"it is truncated: {there} of the {element.count} rows of its element {element.name!r} fit in"
            )
        found = self._equal_rows(element)
        if found is not None:
            return found
        at = self.position
        starts = [array.array("q") for _ in element.properties]
        counts = [array.array("q") for _ in element.properties]
        plan = [
            (starts[i].append, counts[i].append, p.count, self.width(p.count) if p.count else 0, self.width(p.code))
            for i, p in enumerate(element.properties)
        ]
        for row in range(element.count):
            for add_start, add_count, count, head, width in plan:
                n = 1
                if count:
                    if at + head > self.size:
                        self._fail(element, row)
                    n = self.count_at(at, count)
                    at += head
                if not 0 <= n * width <= self.size - at:
                    self._fail(element, row)
                add_start(at)
                add_count(n)
                at += n * width
        self.position = at
        sizes = [np.array(c, np.int64) if p.count else None for p, c in zip(element.properties, counts, strict=True)]
        return [np.array(s, np.int64) for s in starts], sizes

    def _equal_rows(self, element: Element) -> tuple[list[Sizes], list[Sizes | None]] | None:
        """The same where every row has lists as long as the first one's, else None."""
        at, offsets, lengths, heads = self.position, [], [], []
        for p in element.properties:
            n = 1
            if p.count:
                if at + self.width(p.count) > self.size:
                    return None
                n = self.count_at(at, p.count)
                heads.append((at - self.position, p.count, n))
                at += self.width(p.count)
            offsets.append(at - self.position)
            lengths.append(n if p.count else None)
            at += n * self.width(p.code)
            if n < 0 or at > self.size:
                return None
        step = at - self.position
        if element.count * step > self.size - self.position:
            return None
        row = self.position + step * np.arange(element.count)
        for offset, code, n in heads:
            if (self.values(row + offset, code) != n).any():
                return None
        self.position += step * element.count
        return [row + offset for offset in offsets], [
            None if n is None else np.full(element.count, n, np.int64) for n in lengths
        ]

    def _fail(self, element: Element, row: int) -> None:
        raise ValueError(
            f"it is truncated after {row} of the {element.count} rows of its element {element.name!r}, or damaged"
        )


class _BinaryRows(_Rows):
    def __init__(self, data: bytes, start: int, endian: str) -> None:
        self.position, self.size = start, len(data)
        self._data, self._bytes, self._endian = data, np.frombuffer(data, np.uint8), endian
        self._unpack = {code: struct.Struct(endian + letter).unpack_from for code, letter in _STRUCT.items()}

    def width(self, code: str) -> int:
        return int(code[1])

    def count_at(self, place: int, code: str) -> int:
        if code == "u1":
            return self._data[place]
        return int(self._unpack[code](self._data, place)[0])

    def values(self, places: Sizes, code: str) -> np.ndarray[Any, Any]:
        if not len(places):
            return np.zeros(0, code)
        width = self.width(code)
        windows = np.lib.stride_tricks.sliding_window_view(self._bytes, width)
        found: np.ndarray[Any, Any] = np.ascontiguousarray(windows[places]).view(self._endian + code)[:, 0]
        return found


class _AsciiRows(_Rows):
    def __init__(self, body: bytes) -> None:
        parts = [numbers(block.split()) for block in blocks(body)]
        self._numbers = np.concatenate(parts) if parts else np.zeros(0)
        self.position, self.size = 0, len(self._numbers)

    def width(self, code: str) -> int:
        return 1

    def count_at(self, place: int, code: str) -> int:
        n = float(self._numbers[place])
        if not n.is_integer() or n < 0:
            raise ValueError(f"{n:g} is not the length of a list")
        return int(n)

    def values(self, places: Sizes, code: str) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self._numbers[places]
        return found
