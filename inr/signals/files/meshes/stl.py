"""STL: binary, one file or several in sequence, and ASCII with any number of solids. Facet normals are ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from inr.signals.files.meshes.polygons import Floats, MeshData, mesh_of
from inr.signals.files.text import numbers, plain

_HEADER, _RECORD = 84, 50
_BLOCK_BYTES = 2**18
_FACET = b"facet normal * * * outer loop vertex * * * vertex * * * vertex * * * endloop endfacet".split()
_NAME = re.compile(rb"[^\r\n]*?(?=\bfacet\s+normal\b|\bendsolid\b|[\r\n]|\Z)")
_WORDS = [(place, word) for place, word in enumerate(_FACET) if word != b"*"]


def read(data: bytes) -> MeshData:
    """The mesh of an STL file, each triangle with three separate vertices. ValueError for a damaged one."""
    if is_binary(data):
        return _binary(data)
    text = plain(data)
    head = text[:_BLOCK_BYTES].lower()
    if b"\0" not in head and (b"facet" in head or head.lstrip().startswith(b"solid")):
        return _ascii(text)
    return _binary(data)


def is_binary(data: bytes) -> bool:
    """Whether the length is the one that a binary STL of this number of triangles has."""
    return len(data) >= _HEADER and len(data) == _HEADER + _RECORD * int.from_bytes(data[80:84], "little")


def _binary(data: bytes) -> MeshData:
    if len(data) < _HEADER:
        raise ValueError(f"it has {len(data)} bytes, a binary STL has {_HEADER} or more, an ASCII one begins 'solid'")
    counts, rest = _counts(data)
    there = (len(data) - _HEADER) // _RECORD
    if there < counts[0]:
        raise ValueError(f"its header states {counts[0]} triangles, its {len(data)} bytes hold {there}")
    if any(rest) and (len(rest) % _RECORD == 0 or counts[0] == 0):
        raise ValueError(f"its header states {counts[0]} triangles, its {len(data)} bytes hold {there}")
    notes = []
    if rest:
        notes.append(f"{len(rest)} bytes after its last triangle were left out")
    if len(counts) > 1:
        notes.append(f"it is {len(counts)} STL files one after the other, which were joined")
    found, start = [], 0
    for n in counts:
        found.append(_records(data, n, start))
        start += _HEADER + _RECORD * n
    vertices = np.concatenate(found)
    return mesh_of(vertices, np.arange(len(vertices)), notes=tuple(notes))


def _counts(data: bytes) -> tuple[list[int], bytes]:
    """Triangles of each file, if files of this format follow each other to the last byte; else of the first, and the
    bytes after it."""
    counts, start = [], 0
    while start + _HEADER <= len(data):
        counts.append(int.from_bytes(data[start + 80 : start + _HEADER], "little"))
        start += _HEADER + _RECORD * counts[-1]
    if start == len(data) and all(counts[1:]):
        return counts, b""
    return counts[:1], data[_HEADER + _RECORD * counts[0] :]


def _records(data: bytes, n: int, start: int) -> Floats:
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    with np.errstate(invalid="ignore"):  # NaN that signals
        corners: Floats = np.frombuffer(data, record, n, start + _HEADER)["corners"].astype(np.float64).reshape(-1, 3)
    return corners


def _ascii(text: bytes) -> MeshData:
    text = text.lower()
    found = [np.zeros((0, 3))]
    parts, is_open = _solids(text)
    for part in parts:
        for block in _blocks(part):
            found.append(_facets(block, sum(map(len, found)) // 3))
    vertices = np.concatenate(found)
    n = len(vertices) // 3
    if is_open and not _is_whole(vertices):
        raise ValueError(f"it ends after {n} facets, without 'endsolid' and with an open surface: it may be cut short")
    return mesh_of(vertices, np.arange(len(vertices)))


def _solids(text: bytes) -> tuple[list[bytes], bool]:
    """The text between the lines `solid NAME` and `endsolid NAME`; whether the last solid lacks its end."""
    parts, start, is_open = [], 0, True
    while (place := text.find(b"solid", start)) >= 0:
        is_end = text[max(start, place - 3) : place] == b"end"
        parts.append(text[start : place - 3 if is_end else place])
        is_open = not is_end
        found = _NAME.match(text, place)
        start = len(text) if found is None else found.end()
    return [*parts, text[start:]], is_open


def _blocks(text: bytes) -> Iterator[bytes]:
    """The text in blocks of some hundred kilobytes, each of whole facets."""
    start = 0
    while start < len(text):
        place = text.find(b"endfacet", start + _BLOCK_BYTES)
        end = len(text) if place < 0 else place + len(b"endfacet")
        yield text[start:end]
        start = end


def _facets(block: bytes, n_before: int) -> Floats:
    """Corners [3 F, 3] of the facets in a block."""
    words = block.split()
    n = len(_FACET)
    if len(words) % n or any(words[place::n].count(word) != len(words) // n for place, word in _WORDS):
        for i in range(0, len(words), n):
            facet = words[i : i + n]
            if len(facet) < n or any(facet[place] != word for place, word in _WORDS):
                shown = b" ".join(facet).decode("ascii", "replace")
                raise ValueError(
                    f"facet {n_before + i // n + 1} is cut short or not understood: {shown[:60]!r}, expected "
                    "'facet normal, outer loop, three times vertex x y z, endloop, endfacet'"
                )
    chosen: list[bytes] = [b""] * (len(words) // n * 9)
    for k, place in enumerate((8, 9, 10, 12, 13, 14, 16, 17, 18)):
        chosen[k::9] = words[place::n]
    return numbers(chosen).reshape(-1, 3)


def _is_whole(vertices: Floats) -> bool:
    """Whether the triangles close a surface: each edge is used an even number of times."""
    if not len(vertices):
        return True
    corners = np.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1, 3)
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    counts: np.ndarray[Any, np.dtype[np.int64]] = np.unique(edges, axis=0, return_counts=True)[1]
    return bool((counts % 2 == 0).all())
