"""Triangle meshes from files: one reader per format, chosen by the suffix or, without one, by the first bytes."""

from __future__ import annotations

from collections.abc import Callable

from inr.core.errors import UnreadableError
from inr.signals._source import Source
from inr.signals.files.meshes import glb, obj, off, ply, stl
from inr.signals.files.meshes.polygons import MeshData
from inr.signals.files.reading import decoding, read_bytes
from inr.signals.files.sniffing import HEAD_BYTES, suffix_of

__all__ = ["READERS", "MeshData", "read_mesh"]

READERS: dict[str, Callable[[bytes], MeshData]] = {
    ".obj": obj.read,
    ".ply": ply.read,
    ".stl": stl.read,
    ".glb": glb.read,
    ".off": off.read,
}


def read_mesh(source: Source) -> MeshData:
    """The triangles of an OBJ, PLY, STL, GLB or OFF file, polygons cut, scenes joined, in float64.

    Raises UnreadableError, also if there are no triangles. Files that a mesh refers to are not opened.
    """
    data = read_bytes(source)
    is_like = suffix_of(data[:HEAD_BYTES], len(data))
    suffix = source.suffix or is_like
    if suffix not in READERS:
        raise UnreadableError(f"cannot read {source.name!r} as a shape, expected one of {' '.join(READERS)}")
    with decoding(source, "a shape"):
        if is_like in (".ply", ".glb") and is_like != suffix:
            raise ValueError(f"its first bytes are those of a {is_like} file, rename it")
        found = READERS[suffix](data)
    if not len(found.faces):
        hint = "fit a mesh; points with normals are read from .ply, .xyz, .txt and .npy files"
        if suffix == ".ply":
            hint = "a point cloud with normals can be loaded with `kind=points`"
        raise UnreadableError(f"shape {source.name!r} has no faces", hint)
    return found
