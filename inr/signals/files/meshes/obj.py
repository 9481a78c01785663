"""Wavefront OBJ: polygons of `v` and `f` lines; normals, textures, colours, names, lines and points are ignored."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import numpy as np

from inr.signals.files.meshes.polygons import Faces, Floats, MeshData, mesh_of
from inr.signals.files.text import CUT, blocks, may_be_cut, numbers, plain, shown

_COMMENT = re.compile(rb"#(?!IND|INF|QNAN|SNAN)[^\r\n]*")  # 1.#IND is how some programs write NaN
_INDEX = re.compile(rb"[+-]?\d{1,18}")
_FACES = (b"f", b"fo")
_NAMES = (b"o", b"g", b"mtllib", b"usemtl", b"maplib", b"usemap")
_FREE_FORM = (b"surf", b"curv", b"curv2", b"cstype", b"bzp", b"bsp", b"cdc", b"cdp", b"res")
_OTHERS = {b"call": "another file"} | dict.fromkeys(_FREE_FORM, "part of a free-form surface")


def read(data: bytes) -> MeshData:
    """The mesh of an OBJ file. An index counts from 1, or if negative back from its line. ValueError names the line."""
    n_lines = n_vertices = 0
    vertices, corners, sizes = [np.zeros((0, 3))], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    face_lines: list[int] = []
    for block in blocks(plain(data)):
        lines, places, n = _statements(block)
        points: list[int] = []
        faces: list[int] = []
        n_before: list[int] = []
        for i, line in enumerate(lines):
            key = line[:2]
            if key in (b"vn", b"vt", b""):
                continue
            if key not in (b"v ", b"f "):
                key = (line.split(None, 1) or [b""])[0]
            if key in (b"v ", b"v"):
                points.append(i)
            elif key == b"f " or key in _FACES:
                faces.append(i)
                n_before.append(n_vertices + len(points))
            elif key in _OTHERS:
                line_number = n_lines + places[i]
                raise ValueError(f"line {line_number}: {shown(key)} is {_OTHERS[key]}, only polygons are read")
        n_vertices += len(points)
        vertices.append(_positions([lines[i] for i in points], [n_lines + places[i] for i in points]))
        numbers_of_lines = [n_lines + places[i] for i in faces]
        index, counts = _corners([lines[i] for i in faces], numbers_of_lines, np.array(n_before, np.int64))
        corners.append(index)
        sizes.append(counts)
        face_lines += numbers_of_lines
        n_lines += n
    index, counts = np.concatenate(corners), np.concatenate(sizes)
    too_large = index >= n_vertices
    if too_large.any():
        place = int(too_large.argmax())
        line_number = face_lines[_row_of(place, counts)]
        raise ValueError(f"line {line_number}: the face has vertex {index[place] + 1}, the file has {n_vertices}")
    notes = []
    last = (data[-4096:].splitlines() or [b""])[-1].split()
    if last[:1] in ([b"f"], [b"fo"]) and may_be_cut(data) and (counts[-1] < 3 or (index[-1] + 1) * 10 <= n_vertices):
        notes.append(CUT)
    is_thin = counts < 3
    if is_thin.any():
        notes.append(f"{int(is_thin.sum())} faces of fewer than three corners were left out")
        index, counts = index[np.repeat(~is_thin, counts)], counts[~is_thin]
    return mesh_of(np.concatenate(vertices), index, counts, tuple(notes))


def _statements(text: bytes) -> tuple[list[bytes], Sequence[int], int]:
    """The statements of a block without comments, continued lines joined; the number in it of each one's first line;
    and how many lines there are. A comment, or the name of a file or object, is not continued by a backslash."""
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    lines = text.splitlines()
    if b"\\" not in text:
        return lines, range(1, len(lines) + 1), len(lines)
    statements: list[bytes] = []
    places: list[int] = []
    goes_on = False
    for number, line in enumerate(lines, 1):
        if goes_on:
            statements[-1] += b" " + line.rstrip().removesuffix(b"\\")
        else:
            statements.append(line.rstrip().removesuffix(b"\\"))
            places.append(number)
        key = (statements[-1].split(None, 1) or [b""])[0]
        goes_on = line.rstrip().endswith(b"\\") and key not in _NAMES
    return statements, places, len(lines)


def _positions(lines: Sequence[bytes], line_numbers: Sequence[int]) -> Floats:
    """x, y, z [N, 3] of `v` lines; a weight or colour after them is ignored."""
    words = b" ".join(lines).split()
    starts = [i for i, word in enumerate(words) if word == b"v"]
    wide = np.diff([*starts, len(words)])
    if len(starts) == len(lines) and (wide >= 4).all():
        chosen = [b""] * (3 * len(lines))
        for k in range(3):
            chosen[k::3] = [words[i + k + 1] for i in starts]
        with contextlib.suppress(ValueError):
            return numbers(chosen).reshape(-1, 3)
    for line, number in zip(lines, line_numbers, strict=True):
        row = line.split()[1:4]
        if len(row) < 3:
            raise ValueError(f"line {number}: a vertex has {len(row)} numbers, expected x y z")
        try:
            numbers(row)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    raise ValueError("its vertex lines are not understood")


def _corners(lines: Sequence[bytes], line_numbers: Sequence[int], n_before: Faces) -> tuple[Faces, Faces]:
    """Vertex indices from 0 of `f` lines, and the number of each line's. n_before: vertices before each line."""
    words = b" ".join(lines).split()
    starts = [i for i, word in enumerate(words) if word in _FACES]
    sizes = np.diff([*starts, len(words)]).astype(np.int64) - 1
    chosen = [word.partition(b"/")[0] for word in words if word not in _FACES]
    try:
        if len(starts) != len(lines) or b"_" in b"".join(chosen):
            raise ValueError
        index = np.array(list(map(int, chosen)), np.int64)
    except (ValueError, OverflowError):
        for line, number in zip(lines, line_numbers, strict=True):
            bad = next((word for word in line.split()[1:] if not _INDEX.fullmatch(word.partition(b"/")[0])), None)
            if bad is not None:
                raise ValueError(f"line {number}: {shown(bad)} is not a vertex index") from None
        raise ValueError("its face lines are not understood") from None
    relative = index < 0
    if relative.any():
        index[relative] += np.repeat(n_before, sizes)[relative] + 1
    wrong = index <= 0
    if wrong.any():
        place = int(wrong.argmax())
        what = "a relative index that reaches before the first vertex" if relative[place] else "the vertex index 0"
        line_number = line_numbers[_row_of(place, sizes)]
        raise ValueError(f"line {line_number}: the face has {what}, expected 1 or more, or -1 or less")
    return index - 1, sizes


def _row_of(place: int, sizes: Faces) -> int:
    """Which row an entry belongs to, of rows of these sizes one after the other."""
    return int(np.searchsorted(np.cumsum(sizes), place, "right"))
