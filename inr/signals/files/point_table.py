"""Rows of numbers out of text of any dialect, .npy or PLY, with the names of their columns if the file has them."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import Any

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals._source import Source
from inr.signals.files import ply as _ply
from inr.signals.files.npy import read_npy
from inr.signals.solids.faces import Floats

MAX_HEADER_LINES = 64
MAX_ROWS = 2**26
_COMMENT = re.compile(r"(#|//|%|!|')")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_MISSING = frozenset(("", "na", "n/a", "null", "none", "-", "nan", "-nan", "nan(ind)", "-nan(ind)"))


@dataclasses.dataclass(frozen=True)
class Table:
    """rows: [N, K]; names: of the columns, lower case, or None. notes: what was left out."""

    rows: Floats
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_table(data: bytes, source: Source) -> Table:
    """The rows of a point cloud's file, in the format of its content. Raises UnreadableError, ValueError for damage."""
    if data.startswith((b"ply\n", b"ply\r", b"ply ")):
        columns = _ply.read_vertices(data)
        names = tuple(name.lower() for name in columns)
        return Table(np.stack(list(columns.values()), axis=1) if columns else np.empty((0, 0)), names)
    if data.startswith(b"\x93NUMPY"):
        return _of_npy(data, source)
    return _of_text(data, source)


def _of_npy(data: bytes, source: Source) -> Table:
    loaded = read_npy(data)
    names: tuple[str, ...] | None = None
    if loaded.dtype.names:
        fields = [name for name in loaded.dtype.names if loaded.dtype[name].base.kind in "iuf"]
        if not fields:
            raise UnreadableError(f"point cloud {source.name!r} has fields {loaded.dtype}, expected numbers")
        flat = loaded.reshape(-1)
        columns = [flat[name].reshape(len(flat), -1).astype(np.float64) for name in fields]
        names = tuple(
            name.lower() if column.shape[1] == 1 else f"{name.lower()}{k}"
            for name, column in zip(fields, columns, strict=True)
            for k in range(column.shape[1])
        )
        return Table(np.concatenate(columns, axis=1), names)
    if loaded.dtype.kind not in "iuf":
        raise UnreadableError(f"point cloud {source.name!r} has dtype {loaded.dtype}, expected numbers")
    shape = loaded.shape
    while loaded.ndim > 2 and loaded.shape[0] == 1:
        loaded = loaded[0]
    if loaded.ndim == 2 and loaded.shape[0] == 6 and loaded.shape[1] > 9:
        loaded = loaded.T
    if loaded.ndim != 2:
        raise UnreadableError(
            f"point cloud {source.name!r} has shape {shape}, expected [N, 6]: one row x y z nx ny nz per point"
        )
    return Table(np.ascontiguousarray(loaded, np.float64), names)


def _of_text(data: bytes, source: Source) -> Table:
    lines = _decoded(data).splitlines()
    start, names, count = _heading(lines, source)
    if len(lines) - start > MAX_ROWS:
        raise UnreadableError(
            f"point cloud {source.name!r} has {len(lines) - start} lines, expected at most {MAX_ROWS} (2^26)"
        )
    first = lines[start]
    has_decimal_commas = _has_decimal_commas(lines[start : start + MAX_HEADER_LINES])
    delimiter = _delimiter(first, has_decimal_commas)
    body = "\n".join(lines[start:])
    if has_decimal_commas:
        body = body.replace(",", ".")
    rows: Floats
    try:
        rows = np.loadtxt(io.StringIO(body), delimiter=delimiter, ndmin=2, comments=("#", "//"))
    except ValueError:  # a line that differs from the others: found, and named
        rows = _line_by_line(lines, start, delimiter, has_decimal_commas, source)
    if names is not None and len(names) != rows.shape[1]:
        names = None
    notes: tuple[str, ...] = ()
    if count is not None and count > len(rows):
        raise UnreadableError(
            f"cannot read {source.name!r} as a point cloud: it is truncated, {len(rows)} of the {count} rows that its "
            "first line states",
            "copy or download it again",
        )
    if count is not None and count < len(rows):
        notes = (f"{source.name}: its first line states {count} rows; all {len(rows)} are read",)
    return Table(rows, names, notes)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4096]:
        raise ValueError("it is not text, PLY or .npy")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # only names and comments are not ASCII


def _heading(lines: list[str], source: Source) -> tuple[int, tuple[str, ...] | None, int | None]:
    """(the line of the first row, names of the columns, the number of rows), from the lines before the rows."""
    names: tuple[str, ...] | None = None
    count: int | None = None
    n_headings = 0
    for k, line in enumerate(lines):
        text = line.strip()
        if not text:
            continue
        comment = _COMMENT.match(text)
        if comment:
            names = _names(text[comment.end() :]) or names
            continue
        words = _words(text, _delimiter(text, is_decimal=False))
        if len(words) == 1 and _WHOLE.fullmatch(words[0]) and count is None:
            count = int(words[0])
            continue
        if _is_number(words[0]) or (len(words) > 2 and _DECIMAL_COMMA.fullmatch(words[0])):
            return k, names, count
        names = _names(text) or names
        n_headings += 1
        if n_headings > MAX_HEADER_LINES or (n_headings > 1 and names is None and _has_numbers(words)):
            break
    shown = next((line.strip() for line in lines if line.strip() and not _COMMENT.match(line.strip())), "")
    if not shown:
        raise UnreadableError(f"point cloud {source.name!r} has no rows of numbers")
    raise UnreadableError(
        f"cannot read {source.name!r} as a point cloud: it has no row of numbers, it begins with {shown[:40]!r}",
        "expected one row x y z nx ny nz per point",
    )


def _has_numbers(words: list[str]) -> bool:
    return sum(map(_is_number, words)) >= 3


def _names(text: str) -> tuple[str, ...] | None:
    """The column names in a line that names at least x, y and z."""
    words = tuple(word.strip("\"'<>[]()").lower() for word in _words(text, _delimiter(text, is_decimal=False)))
    known = {word.split("[")[0].split("(")[0] for word in words}
    return words if {"x", "y", "z"} <= known and not any(map(_is_number, words)) else None


def _delimiter(line: str, is_decimal: bool) -> str | None:
    """The separator of the numbers in a line; None: white space."""
    if ";" in line:
        return ";"
    return "," if "," in line and not is_decimal else None


def _words(line: str, delimiter: str | None) -> list[str]:
    return [word.strip() for word in line.split(delimiter)] or [""]


def _has_decimal_commas(lines: list[str]) -> bool:
    """Whether commas are decimal points: between white space or semicolons, one inside of a number, and no points."""
    found = False
    for line in lines:
        text = line.strip()
        if not text or _COMMENT.match(text):
            continue
        for word in text.replace(";", " ").split():
            if "." in word or not (_WHOLE.fullmatch(word) or _DECIMAL_COMMA.fullmatch(word)):
                return False
            found = found or "," in word
        if len(text.replace(";", " ").split()) < 3:
            return False
    return found


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _line_by_line(
    lines: list[str], start: int, delimiter: str | None, has_decimal_commas: bool, source: Source
) -> Floats:
    """The rows by Python's own parser: missing values are NaN. Raises UnreadableError that names a bad line."""
    rows: list[list[float]] = []
    for k, line in enumerate(lines[start:], start + 1):
        text = re.split(r"#|//", line, maxsplit=1)[0].strip()
        if not text:
            continue
        words = _words(text, delimiter)
        if delimiter is not None and words[-1] == "":
            words.pop()
        row = []
        for word in words:
            number = word.strip("\"'")
            number = number.replace(",", ".") if has_decimal_commas else number
            if number.lower() in _MISSING:
                row.append(np.nan)
            elif _is_number(number):
                row.append(float(number))
            else:
                raise UnreadableError(
                    f"cannot read {source.name!r} as a point cloud: {word[:40]!r} in line {k} is not a number",
                    "expected one row x y z nx ny nz per point",
                )
        if rows and len(row) != len(rows[0]):
            raise UnreadableError(
                f"cannot read {source.name!r} as a point cloud: line {k} has {len(row)} numbers, "
                f"expected {len(rows[0])} as in the lines before",
                "the file may be truncated; copy it again",
            )
        rows.append(row)
    return np.array(rows, np.float64).reshape(len(rows), -1)


def as_names(names: tuple[str, ...] | None, n_columns: int) -> Any:
    """The columns in words, for a message."""
    return f"{n_columns} columns" if names is None else f"columns {' '.join(names)}"
