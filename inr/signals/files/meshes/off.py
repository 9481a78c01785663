"""OFF and its dialects (COFF, NOFF, STOFF, 4OFF, nOFF of three dimensions): vertices and polygons of a text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np

from inr.signals.files.meshes.polygons import Floats, MeshData, mesh_of
from inr.signals.files.text import CUT, blocks, is_number, may_be_cut, numbers, plain, shown

_HEADER = re.compile(rb"(ST)?(C)?(N)?(4)?(n)?(OFF|off)")
_COMMENT = re.compile(rb"#[^\r\n]*")

Row = tuple[int, list[bytes]]


def read(data: bytes) -> MeshData:
    """The mesh of an OFF file; colours, normals and texture coordinates are ignored.

    ValueError, with the line, for counts that differ from the content, and for binary files and other dimensions.
    """
    text = plain(data)
    rows = _rows(text)
    n_vertices, n_faces, width = _head(rows)
    n_there = text.count(b"\n") + text.count(b"\r") + 1
    if n_vertices > n_there or n_faces > n_there:
        raise ValueError(f"it is truncated: it has {n_there} lines for {n_vertices} vertices and {n_faces} faces")
    vertices = _vertices(rows, n_vertices, width)
    corners: list[int] = []
    sizes: list[int] = []
    n_thin = 0
    last: list[bytes] = []
    for k in range(n_faces):
        line, words = _next(rows, f"{k} of its {n_faces} faces")
        try:
            n = int(words[0])
            index = list(map(int, words[1 : n + 1]))
        except ValueError:
            bad = next(w for w in words if not re.fullmatch(rb"[+-]?\d+", w))
            raise ValueError(f"line {line}: {shown(bad)} is not a whole number") from None
        if n < 0 or len(index) < n:
            raise ValueError(f"line {line}: the face has {len(index)} vertices, its first number states {n}")
        outside = [i for i in index if not 0 <= i < n_vertices]
        if outside:
            raise ValueError(f"line {line}: the face has vertex {outside[0]}, expected 0 to {n_vertices - 1}")
        if n < 3:
            n_thin += 1
        else:
            corners += index
            sizes.append(n)
        last = words
    extra = next(rows, None)
    if extra is not None:
        raise ValueError(f"line {extra[0]}: the file continues after the {n_faces} faces that its header states")
    notes = []
    if n_thin:
        notes.append(f"{n_thin} faces of fewer than three vertices were left out")
    if may_be_cut(text) and last and len(last) == sizes[-1:][0] + 1 and corners[-1] * 10 < n_vertices:
        notes.append(CUT)
    return mesh_of(vertices, np.array(corners, np.int64), np.array(sizes, np.int64), tuple(notes))


def _rows(text: bytes) -> Iterator[Row]:
    """(line number, words) of every line that has words before a comment."""
    n = 0
    for block in blocks(text):
        lines = (_COMMENT.sub(b"", block) if b"#" in block else block).splitlines()
        for number, line in enumerate(lines, n + 1):
            words = line.split()
            if words:
                yield number, words
        n += len(lines)


def _next(rows: Iterator[Row], so_far: str) -> Row:
    row = next(rows, None)
    if row is None:
        raise ValueError(f"it is truncated: it ends after {so_far}")
    return row


def _head(rows: Iterator[Row]) -> tuple[int, int, int]:
    """Vertices, faces, and numbers of a position; a last one over three is a homogeneous weight."""
    line, words = _next(rows, "no line")
    header = _HEADER.match(words[0])
    width = 3
    if header is not None:
        is_weighted, is_any = header.group(4) is not None, header.group(5) == b"n"
        rest = words[0][header.end() :]
        words = ([rest] if rest else []) + words[1:]
        if words and words[0].upper() == b"BINARY":
            raise ValueError("it is a binary OFF, only text is read")
        if is_any:
            line, words = (line, words) if words else _next(rows, "its first line")
            if words[0] != b"3":
                raise ValueError(f"line {line}: it has {shown(words[0])} dimensions, expected 3")
            words = words[1:]
        width += is_weighted
    elif not is_number(words[0]):
        raise ValueError(f"it begins {shown(words[0])}, expected OFF")
    if not words:
        line, words = _next(rows, "its first line")
    if not 2 <= len(words) <= 3 or not all(word.isdigit() and len(word) < 16 for word in words):
        raise ValueError(
            f"line {line}: expected the numbers of vertices, faces and edges, got {shown(b' '.join(words))}"
        )
    return int(words[0]), int(words[1]), width


def _vertices(rows: Iterator[Row], n: int, width: int) -> Floats:
    taken = []
    for k, (line, words) in enumerate(itertools.islice(rows, n)):
        if len(words) < width:
            raise ValueError(f"line {line}: vertex {k + 1} has {len(words)} numbers, expected {width} or more")
        taken.append((line, words[:width]))
    if len(taken) < n:
        raise ValueError(f"it is truncated: it ends after {len(taken)} of its {n} vertices")
    try:
        table = numbers([word for _, words in taken for word in words]).reshape(n, width)
    except ValueError:
        for line, words in taken:
            try:
                numbers(words)
            except ValueError as error:
                raise ValueError(f"line {line}: {error}") from None
        raise
    if width == 4:
        with np.errstate(divide="ignore", invalid="ignore"):
            return table[:, :3] / table[:, 3:]
    return table
