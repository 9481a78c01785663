"""What files of meshes and point clouds state in their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from inr.signals.files.format import FORMATS, FileFormat


@FORMATS.register(".xyz")
@FORMATS.register(".xyzn")
@FORMATS.register(".txt")
@FORMATS.register(".pts")
@FORMATS.register(".csv")
@FORMATS.register(".asc")
class PointFile(FileFormat):
    """Point clouds as text, which has no header."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        return {"what": "points"}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        counts = (("vertices", entry.get("n_vertices")), ("faces", entry.get("n_faces")))
        return ", ".join(f"{n:,} {name}" for name, n in counts if n)


@FORMATS.register(".obj")
@FORMATS.register(".glb")
class MeshFile(PointFile):
    """Meshes whose headers give no counts."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        return {"what": "mesh"}


@FORMATS.register(".ply")
class PlyFile(PointFile):
    """PLY: a mesh if it has faces, else points."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        lines = head.partition(b"end_header")[0].replace(b"\r", b"\n")
        counts = {k.decode(): int(n) for k, n in re.findall(rb"^element[ \t]+(\w+)[ \t]+(\d+)", lines, re.MULTILINE)}
        faces = counts.get("face", 0)
        is_mesh = faces or counts.get("tristrips", 0)
        return {"what": "mesh" if is_mesh else "points", "n_vertices": counts.get("vertex", 0), "n_faces": faces}


@FORMATS.register(".stl")
class StlFile(PointFile):
    """STL: a binary file states its number of faces."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        n_faces = int.from_bytes(head[80:84], "little")
        is_binary = file.seek(0, 2) == 84 + 50 * n_faces
        return {"what": "mesh", "n_faces": n_faces} if is_binary else {"what": "mesh"}


@FORMATS.register(".off")
class OffFile(PointFile):
    """OFF: counts follow the first word."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        lines = re.sub(rb"#[^\r\n]*", b"", head).replace(b"\r", b"\n")
        found = re.search(rb"^\s*(?:\w*OFF[ \t]*)?(\d+)[ \t]+(\d+)([ \t]+\d+)?[ \t]*$", lines, re.MULTILINE)
        return {"what": "mesh"} | ({"n_vertices": int(found[1]), "n_faces": int(found[2])} if found else {})
