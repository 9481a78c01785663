"""The typed arrays of a glTF document: strided, sparse, normalised, each checked against the size of its buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_CODES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

Array = np.ndarray[Any, Any]


def entry(document: Mapping[str, Any], table: str, index: Any) -> dict[str, Any]:
    """document[table][index]; ValueError if it does not exist."""
    rows = document.get(table, [])
    if not isinstance(index, int) or not 0 <= index < len(rows):
        raise ValueError(f"its JSON names {table}[{index!r}], there are {len(rows)}")
    found: dict[str, Any] = rows[index]
    return found


def whole(row: Mapping[str, Any], key: str, default: int = 0) -> int:
    """A whole number from 0 on; ValueError for anything else."""
    value = row.get(key, default)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"its JSON has {key} {value!r}, expected a whole number of at least 0")
    return value


class Accessors:
    """buffers: the bytes of each buffer, or a text that says why they are missing."""

    def __init__(self, document: Mapping[str, Any], buffers: Sequence[bytes | str], limit: int) -> None:
        """limit: the largest number of entries that an array may state."""
        self._document, self._buffers, self._limit = document, buffers, limit

    def has_data(self, index: Any) -> bool:
        """Whether an accessor refers to data; those of compressed primitives do not."""
        row = entry(self._document, "accessors", index)
        return "bufferView" in row or "sparse" in row

    def floats(self, index: Any, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Numbers [count, width], normalised integers as -1..1 or 0..1."""
        values, is_normalised = self._values(index, width)
        found = values.astype(np.float64)
        if is_normalised and values.dtype.kind in "iu":
            found = np.maximum(found / np.iinfo(values.dtype).max, -1.0)
        return found

    def integers(self, index: Any, width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Whole numbers [count, width]."""
        values, _ = self._values(index, width)
        if values.dtype.kind not in "iu":
            raise ValueError(f"accessor {index} holds {values.dtype}, expected whole numbers")
        return values.astype(np.int64)

    def _values(self, index: Any, width: int) -> tuple[Array, bool]:
        row = entry(self._document, "accessors", index)
        count, code = whole(row, "count"), _code(row)
        if _WIDTHS.get(row.get("type", "")) != width:
            raise ValueError(f"accessor {index} is of type {row.get('type')!r}, expected {width} numbers per entry")
        if count > self._limit:
            raise ValueError(f"accessor {index} states {count} entries, the file has {self._limit} bytes")
        if "bufferView" in row:
            values = self._read(row, count, code, width)
        elif "sparse" in row:
            values = np.zeros((count, width), code)
        else:
            raise ValueError(f"accessor {index} has no data")
        if "sparse" in row:
            values = values.copy()
            sparse = row["sparse"]
            n = whole(sparse, "count")
            where = self._read(sparse["indices"], n, _code(sparse["indices"]), 1)[:, 0].astype(np.int64)
            if len(where) and int(where.max()) >= count:
                raise ValueError(f"accessor {index} replaces entry {int(where.max())}, it has {count}")
            values[where] = self._read(sparse["values"], n, code, width)
        return values, bool(row.get("normalized", False))

    def _read(self, row: Mapping[str, Any], count: int, code: str, width: int) -> Array:
        """Entries [count, width] at the place that a row's buffer view and offset state."""
        view = entry(self._document, "bufferViews", row.get("bufferView"))
        number = whole(view, "buffer")
        entry(self._document, "buffers", number)
        data = self._buffers[number]
        if isinstance(data, str):
            compression = next((f" ({name})" for name in view.get("extensions", {})), "")
            raise ValueError(data + compression)
        dtype = np.dtype(code)
        offset, length = whole(row, "byteOffset"), whole(view, "byteLength")
        start, size = whole(view, "byteOffset"), dtype.itemsize * width
        stride = whole(view, "byteStride") or size
        if stride < size:
            raise ValueError(f"a buffer view has the stride {stride}, expected {size} or more")
        if start + length > len(data):
            raise ValueError(f"a buffer view ends at byte {start + length} of {len(data)}")
        if count and offset + (count - 1) * stride + size > length:
            raise ValueError(f"{count} entries of {stride} bytes from byte {offset} on do not fit into {length} bytes")
        return np.ndarray((count, width), dtype, data, start + offset if count else 0, (stride, dtype.itemsize))


def _code(row: Mapping[str, Any]) -> str:
    if row.get("componentType") not in _CODES:
        raise ValueError(f"an accessor has componentType {row.get('componentType')!r}, expected one of {[*_CODES]}")
    return _CODES[row["componentType"]]
