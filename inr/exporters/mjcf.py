"""MJCF: a body for MuJoCo whose shape is the mesh of the surface, in one file."""

from __future__ import annotations

import xml.sax.saxutils as xml
from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.exporters._engine_mesh import EngineMeshExporter, rows
from inr.exporters._exporter import EXPORTERS, Exported, check_name, provenance
from inr.fitting import Fit


@EXPORTERS.register("mjcf")
@dataclass(frozen=True, kw_only=True)
class Mjcf(EngineMeshExporter):
    """A MuJoCo model (MJCF) with a free body of the shape; its collisions use the signed distance.

    The mesh is in the file. Mass and inertia follow from its volume and the density. The geom is of type "sdf", for
    which MuJoCo (tried with 3.3.7) makes an octree of distances from the mesh; `is_hull` collides the convex hull.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xml", ".mjcf")
    cells: ClassVar[int] = 64

    density: float = param(1000.0, "mass per volume, in units of mass per cubic mesh unit", gt=0)
    is_fixed: bool = param(False, "fixed to the world instead of free to move")
    is_hull: bool = param(False, "collide with the convex hull instead of the distances")
    name: str = param("shape", "name of the body and the mesh")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        mesh, _ = self.surface(fit)
        about = "\n".join(provenance(fit)).replace("--", "- -")
        vertices = "\n      ".join(rows(mesh.vertices, "%.9g"))
        faces = "\n      ".join(rows(mesh.faces, "%d"))
        kind, name = "mesh" if self.is_hull else "sdf", xml.quoteattr(self.name)
        joint = "" if self.is_fixed else "      <freejoint/>\n"
        text = (
            f"<!--\n{about}\n-->\n<mujoco model={name}>\n"
            '  <option sdf_iterations="10" sdf_initpoints="40"/>\n  <asset>\n'
            f'    <mesh name={name} inertia="exact"\n      vertex="{vertices}"\n      face="{faces}"/>\n'
            f"  </asset>\n  <worldbody>\n    <body name={name}>\n{joint}"
            f'      <geom type="{kind}" mesh={name} density="{self.density:.9g}"/>\n'
            "    </body>\n  </worldbody>\n</mujoco>\n"
        )
        notes = ("MuJoCo's unit of length is the metre; the coordinates were written unchanged", *mesh.notes)
        return Exported({suffix: text.encode()}, notes)
