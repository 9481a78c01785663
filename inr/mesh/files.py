"""Writing triangle meshes: PLY, OBJ, STL, GLB, and PNG for a look."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inr._errors import UsageError, unknown_name
from inr._files import atomic, check_writable
from inr.mesh.extract import Mesh
from inr.mesh.picture import picture

FORMATS = (".ply", ".obj", ".stl", ".glb", ".png")
"""Suffixes that `save_mesh` knows, the default first."""


def save_mesh(mesh: Mesh, target: Path | BinaryIO, suffix: str | None = None, *, force: bool = False) -> list[str]:
    """Write a mesh, and return what the user should be told about the format.

    target: a path (written whole or not at all, over an existing file only with `force`) or an open binary file.
    suffix: one of `FORMATS`; by default that of the path, or ".ply". Vertices are written as they are, in their
    order, never merged. Equal meshes give equal bytes.

    PLY is binary with float32 positions and normals; OBJ is text with normals; STL is binary triangles without
    shared vertices or normals; GLB holds float32 positions and normals, and its axes are left as they are; PNG is a
    `picture`. PLY, OBJ and GLB keep the colours of vertices. Raises UsageError for an unknown suffix, an output path
    that can not be written, and an empty mesh.
    """
    if suffix is None:
        suffix = target.suffix if isinstance(target, Path) and target.suffix else FORMATS[0]
    suffix = suffix.lower()
    if suffix not in FORMATS:
        raise unknown_name("mesh format", suffix, FORMATS)
    if isinstance(target, Path):
        check_writable(target, force=force)
    if not len(mesh.faces):
        raise UsageError("the mesh is empty, there is nothing to write", "choose a level inside the field's range")
    data = _png(mesh) if suffix == ".png" else _encode(mesh, suffix)
    if isinstance(target, Path):
        with atomic(target) as temporary:
            temporary.write_bytes(data)
    else:
        target.write(data)
    return _notes(mesh, suffix)


def _encode(mesh: Mesh, suffix: str) -> bytes:
    import trimesh
    from trimesh.exchange.gltf import export_glb
    from trimesh.exchange.obj import export_obj
    from trimesh.exchange.ply import export_ply
    from trimesh.exchange.stl import export_stl

    solid = trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=mesh.colors, process=False
    )
    with_normals = mesh.normals is not None
    data: Any
    if suffix == ".ply":
        data = export_ply(solid, vertex_normal=with_normals)
    elif suffix == ".obj":
        data = export_obj(solid, include_normals=with_normals, header=None, digits=_digits(mesh))
    elif suffix == ".stl":
        data = export_stl(solid)
    else:
        data = export_glb(trimesh.Scene(solid), include_normals=with_normals)
    return data.encode() if isinstance(data, str) else bytes(data)


def _png(mesh: Mesh) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture(mesh)).save(out, format="png")
    return out.getvalue()


def _extent(mesh: Mesh) -> float:
    return float(np.ptp(mesh.vertices, axis=0).max())


def _digits(mesh: Mesh) -> int:
    """Decimals that keep eight significant digits of the shape's size."""
    return max(0, 8 - math.floor(math.log10(max(_extent(mesh), 1e-30))))


def _notes(mesh: Mesh, suffix: str) -> list[str]:
    notes = []
    if suffix == ".stl":
        notes.append("STL keeps no shared vertices, no vertex normals and no units; use PLY to keep them")
    if suffix == ".glb":
        notes.append("GLB viewers take y as up and metres as unit; the coordinates were written as they are")
    if mesh.colors is not None and suffix in {".stl", ".png"}:
        notes.append(f"{suffix[1:].upper()} keeps no colours of vertices; use PLY, OBJ or GLB to keep them")
    if suffix == ".png":
        notes.append("PNG is a picture of the mesh; for the mesh itself use " + ", ".join(FORMATS[:-1]))
    rounding = float(np.abs(mesh.vertices).max()) * 2.0**-24
    if suffix in {".ply", ".stl", ".glb"} and rounding > 1e-5 * _extent(mesh):
        notes.append(
            f"{suffix[1:].upper()} stores float32: the shape lies so far from the origin that positions are "
            f"rounded by {rounding:.2g}; OBJ keeps them"
        )
    return notes
