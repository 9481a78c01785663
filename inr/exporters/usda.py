"""USDA: the surface as a mesh that PhysX and Isaac Sim collide by a signed distance field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from inr.core.config import param
from inr.exporters._engine_mesh import EngineMeshExporter
from inr.exporters._exporter import EXPORTERS, Exported, check_name, provenance
from inr.fitting import Fit


@EXPORTERS.register("usda")
@dataclass(frozen=True, kw_only=True)
class Usda(EngineMeshExporter):
    """USD text with the mesh and its SDF collision attributes, for Isaac Sim and other users of PhysX.

    physics:approximation is "sdf", and sdfResolution the number of voxels along the longest side of the mesh, so that
    the distances which PhysX makes from the mesh have the same voxel size.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".usda",)

    up: Literal["y", "z"] = param("z", "axis that points up")
    meters_per_unit: float = param(1.0, "length of a mesh unit in metres", gt=0)
    is_rigid_body: bool = param(True, "a rigid body that falls; false: a static collider")
    name: str = param("shape", "name of the root prim")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        mesh, cell = self.surface(fit)
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        resolution = max(1, math.ceil(float((high - low).max()) / cell - 1e-9))
        apis = ", ".join(
            f'"{api}"' for api in ("PhysicsCollisionAPI", "PhysicsMeshCollisionAPI", "PhysxSDFMeshCollisionAPI")
        )
        body = '(\n    prepend apiSchemas = ["PhysicsRigidBodyAPI"]\n)\n' if self.is_rigid_body else ""
        text = f"""#usda 1.0
(
    defaultPrim = "{self.name}"
    doc = {json.dumps(" ".join(provenance(fit)))}
    metersPerUnit = {self.meters_per_unit:.9g}
    upAxis = "{self.up.upper()}"
)

def Xform "{self.name}" {body}{{
    def Mesh "surface" (
        prepend apiSchemas = [{apis}]
    )
    {{
        uniform bool doubleSided = 0
        float3[] extent = {_tuples(np.stack([low, high]))}
        int[] faceVertexCounts = [{", ".join(["3"] * len(mesh.faces))}]
        int[] faceVertexIndices = [{", ".join(map(str, mesh.faces.reshape(-1).tolist()))}]
        normal3f[] normals = {_tuples(mesh.normals)} (
            interpolation = "vertex"
        )
        uniform token physics:approximation = "sdf"
        uniform int physxSDFMeshCollision:sdfResolution = {resolution}
        point3f[] points = {_tuples(mesh.vertices)}
        uniform token subdivisionScheme = "none"
    }}
}}
"""
        return Exported({suffix: text.encode()}, mesh.notes)


def _tuples(vectors: np.ndarray[Any, np.dtype[Any]]) -> str:
    """Rows [N, 3] as a list of USD tuples."""
    return "[" + ", ".join(f"({x:.9g}, {y:.9g}, {z:.9g})" for x, y, z in vectors.tolist()) + "]"
