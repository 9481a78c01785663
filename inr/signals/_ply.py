"""Just enough of PLY to tell a mesh from a point cloud and to read a cloud's vertices."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from inr.signals._signal import Source

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ENDIAN = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_MAX_HEADER = 2**16


@dataclasses.dataclass(frozen=True)
class Header:
    """format: "ascii" or one of the binary ones. elements: (name, count, [(property, type code)]), "" for lists."""

    format: str
    elements: tuple[tuple[str, int, list[tuple[str, str]]], ...]
    size_bytes: int


def parse_header(data: bytes) -> Header:
    """The header at the start of a PLY file; ValueError when it is none."""
    end = data[:_MAX_HEADER].find(b"end_header")
    if not data.startswith(b"ply") or end < 0:
        raise ValueError("it has no PLY header")
    newline = data.find(b"\n", end)
    if newline < 0:
        raise ValueError("it ends in its header")
    form = ""
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for line in data[:end].decode("ascii", "replace").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append((words[-1], "" if words[1] == "list" else _TYPES[words[1]]))
    if form not in _ENDIAN:
        raise ValueError(f"its format {form!r} is unknown")
    return Header(form, tuple(elements), newline + 1)


def has_faces(source: Source) -> bool:
    """Whether a file is a PLY with at least one face; False for anything that is no PLY."""
    try:
        with source.open() as file:
            header = parse_header(file.read(_MAX_HEADER))
    except (ValueError, KeyError, IndexError, OSError):
        return False
    return any(name in ("face", "tristrips") and count > 0 for name, count, _ in header.elements)


def read_vertices(data: bytes) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The properties of the element "vertex", which must come first, as float64 columns; ValueError for damage."""
    header = parse_header(data)
    if not header.elements or header.elements[0][0] != "vertex":
        raise ValueError("its first element is not 'vertex'")
    _, count, properties = header.elements[0]
    if any(not code for _, code in properties):
        raise ValueError("its vertices have list properties")
    body = data[header.size_bytes :]
    if header.format == "ascii":
        lines = body.decode("ascii", "replace").splitlines()[:count]
        rows = [[float(word) for word in line.split()[: len(properties)]] for line in lines]
        if len(rows) < count or any(len(row) < len(properties) for row in rows):
            raise ValueError("it is truncated")
        table = np.array(rows, np.float64).reshape(count, len(properties))
        return {name: table[:, i] for i, (name, _) in enumerate(properties)}
    row_type = np.dtype([(name, _ENDIAN[header.format] + code) for name, code in properties])
    if count < 0 or count * row_type.itemsize > len(body):
        raise ValueError("it is truncated")
    records = np.frombuffer(body, row_type, count)
    return {name: records[name].astype(np.float64) for name, _ in properties}
