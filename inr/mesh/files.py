"""Writing triangle meshes: PLY, OBJ, STL, GLB, 3MF, and a PNG preview."""

from __future__ import annotations

import dataclasses
import io
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UsageError, unknown_name
from inr.core.files import check_writable, write_file
from inr.mesh._octree_grid import Reals
from inr.mesh.extract import Mesh
from inr.mesh.march import is_closed
from inr.mesh.picture import picture
from inr.mesh.threemf import threemf

FORMATS = (".ply", ".obj", ".stl", ".glb", ".3mf", ".png")
"""Suffixes that `save_mesh` knows, the default first."""

_GREY = (180, 180, 180, 255)


def save_mesh(mesh: Mesh, target: Path | BinaryIO, suffix: str | None = None, *, force: bool = False) -> list[str]:
    """Write a mesh, and return notes about limits of the format.

    target: a path (written whole or not at all, over an existing file only with `force`) or an open binary file.
    suffix: one of `FORMATS`; by default that of the path, or ".ply". Vertices are written as they are, in their
    order, never merged. Equal meshes give equal bytes.

    PLY is binary, its positions are doubles where float32 would lose digits, which is far from the origin; OBJ is
    text; STL is binary triangles without shared vertices, in float32; GLB holds float32 positions, far from the origin
    relative to the translation of its node, and its axes are not changed; an open mesh is shown from both sides.
    All but STL hold the normals
    of vertices. 3MF is text in a ZIP archive, its unit millimetres. PNG is a `picture`. PLY, OBJ, GLB and 3MF keep the
    colours of vertices; a texture is kept by GLB only. Raises UsageError for an unknown
    suffix, an output path that cannot be written, and an empty mesh.
    """
    if suffix is None:
        suffix = target.suffix if isinstance(target, Path) and target.suffix else FORMATS[0]
    suffix = suffix.lower()
    if suffix not in FORMATS:
        raise unknown_name("mesh format", suffix, FORMATS)
    if isinstance(target, Path):
        check_writable(target, force=force)
    if not len(mesh.faces):
        raise UsageError("the mesh is empty", "choose a `level` inside the range of the field's values")
    data = _png(mesh) if suffix == ".png" else _encode(mesh, suffix)
    if isinstance(target, Path):
        write_file(target, data, force=force)
    else:
        target.write(data)
    return _notes(mesh, suffix)


def _encode(mesh: Mesh, suffix: str) -> bytes:
    return {".ply": _ply, ".obj": _obj, ".stl": _stl, ".glb": _glb, ".3mf": threemf}[suffix](mesh)


def _ply(mesh: Mesh) -> bytes:
    position = ("double", "<f8") if _is_far(mesh) else ("float", "<f4")
    columns: list[tuple[str, str, str, Any]] = [
        (axis, *position, mesh.vertices[:, i]) for i, axis in enumerate(("x", "y", "z"))
    ]
    if mesh.normals is not None:
        columns += [(f"n{axis}", "float", "<f4", mesh.normals[:, i]) for i, axis in enumerate("xyz")]
    if mesh.colors is not None:
        names = ("red", "green", "blue", "alpha")[: mesh.colors.shape[1]]
        columns += [(name, "uchar", "u1", mesh.colors[:, i]) for i, name in enumerate(names)]
    vertices = np.empty(len(mesh.vertices), [(name, code) for name, _, code, _ in columns])
    for name, _, _, values in columns:
        vertices[name] = values
    faces = np.empty(len(mesh.faces), [("n", "u1"), ("index", "<i4", 3)])
    faces["n"], faces["index"] = 3, mesh.faces
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(vertices)}",
        *(f"property {kind} {name}" for name, kind, _, _ in columns),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def _stl(mesh: Mesh) -> bytes:
    record = np.zeros(len(mesh.faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    record["corners"], record["normal"] = mesh.vertices[mesh.faces], _facet_normals(mesh)
    return bytes(80) + struct.pack("<I", len(record)) + record.tobytes()


def _facet_normals(mesh: Mesh) -> Reals:
    """Unit normals [F, 3] of the triangles, whatever their size; of one without area, the mean of its vertices'."""
    corners = mesh.vertices[mesh.faces]
    edges = corners[:, 1:] - corners[:, :1]
    longest = np.abs(edges).max(axis=(1, 2), keepdims=True)
    edges = edges / np.where(longest > 0, longest, 1)
    normals: Reals = np.cross(edges[:, 0], edges[:, 1])
    if mesh.normals is not None:
        flat = (normals == 0).all(axis=1)
        normals[flat] = mesh.normals[mesh.faces[flat]].sum(axis=1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.where(length > 0, length, 1)


def _obj(mesh: Mesh) -> bytes:
    from trimesh.exchange.obj import export_obj

    text: str = export_obj(_trimesh(mesh), include_normals=mesh.normals is not None, header=None, digits=_digits(mesh))
    return text.encode()


def _glb(mesh: Mesh) -> bytes:
    """Far from the origin the node holds the shape's position, rounded so that single precision holds it exactly."""
    import trimesh
    from trimesh.exchange.gltf import export_glb

    place = np.eye(4)
    if _is_far(mesh):
        place[:3, 3] = ((mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2).astype(np.float32)
        mesh = dataclasses.replace(mesh, vertices=mesh.vertices - place[:3, 3])
    scene = trimesh.Scene()
    made = _trimesh(mesh)
    if (
        mesh.colors is None and mesh.texture is None and not is_closed(mesh.faces)
    ):  # viewers leave out faces that are seen from behind
        material = trimesh.visual.material.PBRMaterial(doubleSided=True, baseColorFactor=_GREY)
        made.visual = trimesh.visual.TextureVisuals(material=material)
    scene.add_geometry(made, transform=place)
    return bytes(export_glb(scene, include_normals=mesh.normals is not None))


def _trimesh(mesh: Mesh) -> Any:
    import trimesh

    if mesh.uv is not None and mesh.texture is not None:
        from PIL import Image

        material = trimesh.visual.material.PBRMaterial(
            baseColorTexture=Image.fromarray(mesh.texture), metallicFactor=0.0, roughnessFactor=1.0
        )
        visual = trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
        return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)
    return trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=mesh.colors, process=False
    )


def _png(mesh: Mesh) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture(mesh)).save(out, format="png")
    return out.getvalue()


def _extent(mesh: Mesh) -> float:
    return float(np.ptp(mesh.vertices, axis=0).max())


def _rounding(mesh: Mesh) -> float:
    """Largest rounding error of a coordinate in float32."""
    return float(np.abs(mesh.vertices).max()) * 2.0**-24


def _is_far(mesh: Mesh) -> bool:
    """Whether rounding to float32 exceeds a millionth of the shape's size."""
    return _rounding(mesh) > 1e-6 * _extent(mesh)


def _digits(mesh: Mesh) -> int:
    """Decimals that keep eight significant digits of the shape's size."""
    return max(0, 8 - math.floor(math.log10(max(_extent(mesh), 1e-30))))


def _notes(mesh: Mesh, suffix: str) -> list[str]:
    notes = []
    if suffix == ".stl" and not is_closed(mesh.faces):
        notes.append("STL of an open surface: slicers will not print it; `shell` gives it a thickness")
    if suffix == ".stl":
        notes.append("STL stores no shared vertices, vertex normals or units; use PLY to keep them")
    if suffix == ".glb":
        notes.append("GLB viewers assume y up and metres; the coordinates were written unchanged")
    if suffix == ".3mf":
        notes.append("3MF has a unit: the coordinates were written as millimetres")
    if mesh.colors is not None and suffix in {".stl", ".png"}:
        notes.append(f"{suffix[1:].upper()} stores no vertex colours; use PLY, OBJ, GLB or 3MF to keep them")
    if suffix == ".png":
        notes.append("PNG is a picture of the mesh; to store the mesh use " + ", ".join(FORMATS[:-1]))
    if suffix == ".stl" and _is_far(mesh):
        notes.append(
            f"STL stores float32: the shape lies so far from the origin that positions are rounded by "
            f"{_rounding(mesh):.2g}; PLY, OBJ and GLB keep them"
        )
    return notes
