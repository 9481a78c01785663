"""Cross-sections as text (.csl): planes, and in each the closed polygons where labelled materials meet it.

The format of OReX (Sawdayee et al. 2023) and its forerunners: `CSLC`, then the numbers of planes and labels; per plane
`id nv nc A B C D` with A x + B y + C z + D = 0, nv vertices `x y z`, and nc components `n label i1 ... in`; a hole is
written `nhP label ...` with the component P that it lies in. Blank lines mean nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from inr.signals.files.format import FORMATS, FileFormat
from inr.signals.files.text import numbers, plain, shown
from inr.signals.solids.faces import Bools, Floats
from inr.signals.solids.sections import Section

_COUNT = re.compile(rb"(\d{1,9})(?:[hH](\d{1,9}))?")


@dataclasses.dataclass(frozen=True)
class ContourPlane:
    """The plane normal . p = offset, and its closed rings [V, 3] with the label of each. The normal has any length."""

    normal: Floats
    offset: float
    rings: tuple[tuple[int, Floats], ...]

    def section(self, label: int | None = None) -> Section:
        """The rings of one label, or all."""
        return Section.of_plane(self.normal, self.offset, [ring for own, ring in self.rings if label in (None, own)])


def read_csl(data: bytes) -> list[ContourPlane]:
    """Planes in the order of the file. Components of fewer than three vertices are left out.

    Holes are not told apart: the even-odd rule finds them, and files number their parents in several ways.
    Raises ValueError for what is not such a file, with the line. Memory follows the length of the file, not
    the counts in it.
    """
    lines = _lines(plain(data))
    if next(lines, (0, b""))[1].split()[:1] != [b"CSLC"]:
        raise ValueError("it does not begin with CSLC")
    n_planes = _whole(*_next(lines, "the numbers of planes and labels"), 0)
    planes: list[ContourPlane] = []
    for _ in range(n_planes):
        planes.append(_plane(lines, _next(lines, f"plane {len(planes) + 1} of {n_planes}")))
    return planes


def csl_text(planes: Sequence[ContourPlane]) -> str:
    """The text of planes, with 17 digits: `read_csl` gives the same numbers back."""
    labels = {label for plane in planes for label, _ in plane.rings}
    out = ["CSLC", f"{len(planes)} {max([*labels, 1]) + 1}", ""]
    for number, plane in enumerate(planes, 1):
        n_vertices = sum(len(ring) for _, ring in plane.rings)
        a, b, c = plane.normal.tolist()
        out.append(f"{number} {n_vertices} {len(plane.rings)} {a!r} {b!r} {c!r} {-plane.offset!r}")
        out += [" ".join(map(repr, vertex)) for _, ring in plane.rings for vertex in ring.tolist()]
        first = 0
        for (label, ring), parent in zip(plane.rings, _parents(plane), strict=True):
            hole = "" if parent is None else f"h{parent}"
            out.append(f"{len(ring)}{hole} {label} {' '.join(map(str, range(first, first + len(ring))))}")
            first += len(ring)
        out.append("")
    return "\n".join(out) + "\n"


def _parents(plane: ContourPlane) -> list[int | None]:
    """For each ring that an odd number of rings of its label surrounds, the smallest of them."""
    alone = [Section.of_plane(plane.normal, plane.offset, [ring]) for _, ring in plane.rings]
    found: list[int | None] = []
    for k, (label, _) in enumerate(plane.rings):
        around = [
            j for j, (other, _) in enumerate(plane.rings)
            if j != k and other == label and bool(_contains(alone[j], alone[k])[0])
        ]  # fmt: skip
        found.append(min(around, key=lambda j: alone[j].area) if len(around) % 2 else None)
    return found


def _contains(outer: Section, inner: Section) -> Bools:
    return outer.contains(outer.to_plane(inner.vertices[:1]))


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without blank ones."""
    start, number = 0, 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        line = data[start:end].strip()
        if line:
            yield number, line
        start = end + 1


def _next(lines: Iterator[tuple[int, bytes]], what: str) -> tuple[int, bytes]:
    found = next(lines, None)
    if found is None:
        raise ValueError(f"it is cut off: {what} is missing")
    return found


def _whole(number: int, line: bytes, at: int) -> int:
    words = line.split(maxsplit=at + 1)
    if len(words) <= at or re.fullmatch(rb"\d{1,9}", words[at]) is None:
        raise ValueError(f"line {number}: {shown(line)} has no whole number in place {at + 1}")
    return int(words[at])


def _plane(lines: Iterator[tuple[int, bytes]], header: tuple[int, bytes]) -> ContourPlane:
    number, line = header
    n_vertices, n_components = _whole(number, line, 1), _whole(number, line, 2)
    words = line.split()[3:]
    if len(words) < 4:
        raise ValueError(f"line {number}: a plane has {len(words)} coefficients, expected A B C D")
    *normal, d = numbers(words[:4])
    if not np.isfinite([*normal, d]).all() or not any(normal):
        raise ValueError(f"line {number}: the plane has no finite normal")
    rows = []
    for _ in range(n_vertices):
        at, line = _next(lines, f"a vertex of the plane of line {number}")
        words = line.split(maxsplit=3)
        if len(words) < 3:
            raise ValueError(f"line {at}: {shown(line)} is not a vertex x y z")
        rows.append(numbers(words[:3]))
    vertices = np.array(rows, np.float64).reshape(-1, 3)
    if not np.isfinite(vertices).all():
        raise ValueError(f"the plane of line {number} has vertices that are not finite")
    rings = [
        _component(_next(lines, f"a component of the plane of line {number}"), vertices) for _ in range(n_components)
    ]
    return ContourPlane(np.array(normal), -float(d), tuple(ring for ring in rings if len(ring[1]) > 2))


def _component(row: tuple[int, bytes], vertices: Floats) -> tuple[int, Floats]:
    number, line = row
    words = line.split()
    count = _COUNT.fullmatch(words[0])
    if count is None or len(words) < 2 or not words[1].isdigit() or len(words[1]) > 9:
        raise ValueError(f"line {number}: {shown(line)} is not a component: n label i1 ... in")
    n = int(count[1])
    if len(words) < 2 + n:
        raise ValueError(f"line {number}: a component states {n} vertices and lists {len(words) - 2}")
    if not all(word.isdigit() and len(word) < 10 for word in words[2 : 2 + n]):
        raise ValueError(f"line {number}: a component has an index that is not a whole number")
    index = np.array(words[2 : 2 + n], dtype=np.int64)
    if n and int(index.max()) >= len(vertices):
        raise ValueError(f"line {number}: a component has vertex {int(index.max())}, the plane has {len(vertices)}")
    return int(words[1]), vertices[index]


@FORMATS.register(".csl")
class CslFile(FileFormat):
    """Cross-sections."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        counts = plain(head).split(maxsplit=3)[1:3]
        return {"what": "slices", "n_planes": int(counts[0]), "n_labels": int(counts[1])}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        return f"{entry['n_planes']} planes, {entry['n_labels']} labels"
