"""Shapes: triangle meshes as signed distance functions, negative inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np

from inr.core.errors import UnreadableError, UsageError
from inr.core.text import count_of
from inr.signals._demo import Demo
from inr.signals._distance import cube_frame
from inr.signals._meshes import cleaned
from inr.signals._signal import SIGNALS, Source
from inr.signals.files import ply as _ply
from inr.signals.files.meshes import read_mesh
from inr.signals.files.reading import check_options
from inr.signals.solids.boundary import Boundary, MeshPart, bounding, parts_of
from inr.signals.solids.distances import MeshSolid, Sign
from inr.signals.solids.faces import Faces, Floats
from inr.signals.solids.openings import Openings, openings_of
from inr.signals.solids.orient import Cleaned, Oriented, joined_seams, n_open_edges, orient
from inr.signals.solids.solid_signal import DEFAULT_POINTS, SolidSignal, n_points_of

_CELLS = 256  # along the box, of meshes and of the finest grid of fields, by default
_NOTED = 1e-4  # least share of the area for which a note names inner walls


@SIGNALS.register("shape")
class Shape(SolidSignal):
    """A solid given by a triangle mesh. Coordinates (x, y, z) and values (signed distance) in mesh units.

    The domain is a cube around the centre of the mesh's bounding box, its side 1.1 times the box's largest extent;
    training values are distances in lengths of that cube. Options: `sign=auto|pseudonormal|winding` (see `MeshSolid`),
    `points` (training points, default 2^20).
    """

    kind: ClassVar[str] = "shape"
    noun: ClassVar[str] = "shape"
    extensions: ClassVar[tuple[str, ...]] = (".obj", ".ply", ".stl", ".glb", ".off")
    demo: ClassVar[Demo | None] = Demo(
        "shape",
        "torus",
        "the signed distance to a torus, from random points in space",
        {"type": "hash_grid"},
        {"steps": 150, "batch": 8192},
        ".ply",
        ("mesh", "--resolution", "512"),
    )

    @classmethod
    def claims(cls, source: Source) -> bool:
        """Everything but a PLY without faces, which is a point cloud."""
        return source.suffix != ".ply" or _ply.has_faces(source)

    @classmethod
    def load_kind(cls, meta: Mapping[str, Any]) -> str:
        """Shapes whose metadata counts points or planes were made from a point cloud or from slices."""
        return "slices" if "n_planes" in meta else "points" if "n_points" in meta else cls.kind

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        """Open meshes may have been closed on request; slices state how they were read."""
        if isinstance(meta.get("read"), Mapping):
            return {str(key): str(value) for key, value in meta["read"].items()}
        is_closed_up = meta.get("sign") == "winding" and meta.get("is_watertight") is False
        return {"sign": "winding"} if is_closed_up else {}

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("shape", options, {"sign": ("auto", "pseudonormal", "winding"), "points": None})
        n_points = n_points_of(options)
        found = read_mesh(source)
        sign = cast(Sign, options.get("sign", "auto"))
        shape = cls.of_mesh(found.vertices, found.faces, sign=sign, n_points=n_points, name=source.name)
        shape.notes = (*(f"{source.name}: {note}" for note in found.notes), *shape.notes)
        return shape

    @classmethod
    def of_mesh(
        cls,
        vertices: Floats,
        faces: Faces,
        *,
        sign: Sign = "auto",
        n_points: int = DEFAULT_POINTS,
        name: str = "mesh",
    ) -> Self:
        """A shape from vertices [V, 3] and faces [F, 3].

        Raises UnreadableError without faces, for NaN vertices, and for a surface that encloses nothing; UsageError for
        an open one where more than a quarter of the bounding box is neither inside nor outside (`Openings`), unless a
        sign is given.
        """
        mesh = cleaned(vertices, faces, f"shape {name!r}")
        mesh = joined_seams(mesh)
        oriented = orient(mesh)
        parts = parts_of(mesh.vertices, oriented)
        solids = [part for part in parts if part.encloses]
        if not solids:
            what = "one triangle" if len(mesh.faces) == 1 else "an open or flat sheet"
            raise UnreadableError(
                f"shape {name!r} encloses nothing: it is {what}, expected a surface with an inside",
                "`kind=unsigned` fits it as an open surface",
            )
        corners = np.array([(part.low, part.high) for part in solids]).reshape(-1, 3)
        frame = cube_frame(corners)
        box = frame.domain
        boundary = bounding((mesh.vertices - np.array(box.low)) / box.extent[0], solids)
        if len(boundary.faces) == 0:
            raise UnreadableError(
                f"shape {name!r} encloses nothing: every face coincides with one of the opposite orientation",
                "remove the doubled faces, in a mesh editor",
            )
        is_watertight = all(part.is_closed for part in solids)
        openings = None if is_watertight else openings_of(boundary.wound_vertices, boundary.wound_faces)
        if openings is not None and openings.is_sheet and sign == "auto":
            raise UsageError(
                f"shape {name!r} is open: {_boundary_of(openings)}, and {_undecided(openings)}",
                "`kind=unsigned` keeps it open; signal.sign=winding closes it smoothly",
            )
        solid = MeshSolid(boundary, sign)
        is_flipped = boundary.n_flipped == len(solids)
        n_sheet_faces = sum(len(part.faces) for part in parts if not part.encloses)
        notes = _repairs(mesh, oriented, boundary, is_flipped)
        if n_sheet_faces:
            notes.append(f"left out: {_faces(n_sheet_faces)} of sheets, which enclose nothing")
        if openings is not None and openings.is_doubtful:
            notes.append(
                f"it has a large opening ({_boundary_of(openings)}): {_undecided(openings)}; it was closed there, "
                "`kind=unsigned` keeps it open"
            )
        notes += _limits(solids, solid, boundary, openings)
        meta = {
            "side": box.extent[0],
            "thickness": 0.0,
            "sign": solid.sign,
            "n_vertices": len(mesh.vertices),
            "n_faces": len(mesh.faces),
            "n_degenerate": mesh.n_degenerate,
            "n_duplicate": mesh.n_duplicate,
            "is_watertight": is_watertight,
            "is_flipped": is_flipped,
        }
        shape = cls(solid, frame, meta, (), n_points)
        shape.meta["thickness"] = thickness = shape.thickness
        if thickness < box.extent[0] / _CELLS:
            notes.append(
                f"about {thickness:.3g} thick in places, less than 1/{_CELLS} of the box "
                f"({box.extent[0] / _CELLS:.3g}), the finest that a fit and a mesh resolve by default"
            )
        shape.notes = tuple(f"{name}: {note}" for note in notes)
        return shape

    @property
    def is_bounded_by_mesh(self) -> bool:
        """Whether `mesh` is closed and signs follow its faces, so that it encloses the solid's volume."""
        return bool(self.meta.get("is_watertight")) and self.meta.get("sign") == "pseudonormal"

    @property
    def mesh(self) -> tuple[Floats, Faces]:
        """Vertices [V, 3] in mesh units and faces [F, 3] of the cleaned mesh; UsageError for an analytic shape."""
        if not isinstance(self.solid, MeshSolid):
            raise UsageError("this shape is a formula, it has no mesh")
        box = self.frame.domain
        return self.solid.vertices * box.extent[0] + np.array(box.low), self.solid.faces


def _repairs(mesh: Cleaned, oriented: Oriented, boundary: Boundary, is_flipped: bool) -> list[str]:
    """Notes on what was repaired."""
    notes = []
    if mesh.n_degenerate:
        notes.append(f"left out: {_faces(mesh.n_degenerate)} of zero area")
    if mesh.n_duplicate:
        notes.append(f"left out: {_faces(mesh.n_duplicate, 'repeated ')}")
    if mesh.n_joined:
        notes.append(f"joined: {mesh.n_joined} vertices of seams with their nearly equal neighbours")
    if oriented.n_turned:
        notes.append(f"turned over: {_faces(oriented.n_turned)} wound against the others")
    elif is_flipped:
        notes.append("its normals point inwards, the mesh was turned over")
    elif boundary.n_flipped:
        notes.append(f"turned over: {boundary.n_flipped} of its parts, which pointed the wrong way")
    if oriented.n_walls:
        notes.append(f"left out: {_faces(oriented.n_walls)} between two insides")
    if boundary.buried > _NOTED:
        notes.append(f"its parts overlap; left out: {100 * boundary.buried:.2g} % of its area, which lies inside")
    return notes


def _boundary_of(openings: Openings) -> str:
    loops = "1 boundary" if openings.n_loops == 1 else f"{openings.n_loops} boundaries"
    return f"{loops} of {openings.n_edges} edges"


def _undecided(openings: Openings) -> str:
    return f"{100 * openings.undecided:.2g} % of its box is neither inside nor outside"


def _faces(n: int, what: str = "") -> str:
    return count_of(n, f"{what}face")


def _limits(parts: Sequence[MeshPart], solid: MeshSolid, boundary: Boundary, openings: Openings | None) -> list[str]:
    """Notes on what is uncertain about the mesh."""
    notes = []
    faces = np.concatenate([part.faces for part in parts if not part.is_closed] or [np.zeros((0, 3), np.int64)])
    if len(faces):
        n_open = n_open_edges(faces)
        n = 0 if openings is None else openings.n_loops
        what = f"open at {n_open} edges" if n_open else "its faces do not close a volume"
        if n_open and n:
            what += f" of {count_of(n, 'hole')}"
        notes.append(f"not watertight ({what})")
    if boundary.is_cut:
        notes.append("it crosses itself")
    if solid.sign == "winding":
        notes = ["; ".join([*notes, "inside is where the winding number is above 1/2"])]
    elif notes:
        notes = ["; ".join([*notes, "pseudonormal signs may be wrong, use sign=auto"])]
    return notes
