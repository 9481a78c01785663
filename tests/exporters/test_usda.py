"""USDA: the mesh and its collision attributes, as text and in USD's own parser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from inr.mesh import mesh_of_fit
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded


def _numbers(text: str, name: str) -> np.ndarray:
    found = re.search(rf"{re.escape(name)} = \[(.*?)\]", text)
    assert found is not None
    return np.array(re.findall(r"[-+.\de]+", found[1]), float)


def test_the_mesh_is_the_surface_and_distances_have_the_same_voxel() -> None:
    text = encoded("usda", a_torus(), voxel=0.1, up="y").main.decode()
    expected = mesh_of_fit(a_torus(), 30)
    assert np.allclose(_numbers(text, "point3f[] points").reshape(-1, 3), expected.vertices)
    assert np.array_equal(_numbers(text, "int[] faceVertexIndices").reshape(-1, 3), expected.faces)
    assert np.allclose(_numbers(text, "normal3f[] normals").reshape(-1, 3), expected.normals, atol=1e-7)
    longest = np.ptp(expected.vertices, axis=0).max()
    resolution = int(re.findall(r"uniform int physxSDFMeshCollision:sdfResolution = (\d+)", text)[0])
    assert resolution == int(np.ceil(longest / (2.97 / 30)))
    assert 'upAxis = "Y"' in text
    assert "PhysicsRigidBodyAPI" in text
    assert "PhysicsRigidBodyAPI" not in encoded("usda", a_torus(), voxel=0.2, is_rigid_body=False).main.decode()


def test_usd_reads_it() -> None:
    usd = pytest.importorskip("pxr")
    from pxr import Sdf, Usd, UsdGeom, UsdPhysics

    assert usd
    layer = Sdf.Layer.CreateAnonymous(".usda")
    assert layer.ImportFromString(encoded("usda", a_torus(), voxel=0.1).main.decode())
    stage = Usd.Stage.Open(layer)
    prim = stage.GetDefaultPrim().GetChild("surface")
    assert UsdPhysics.MeshCollisionAPI(prim).GetApproximationAttr().Get() == "sdf"
    assert "PhysxSDFMeshCollisionAPI" in str(prim.GetMetadata("apiSchemas"))
    mesh = UsdGeom.Mesh(prim)
    n = len(mesh.GetPointsAttr().Get())
    assert UsdGeom.Mesh.ValidateTopology(mesh.GetFaceVertexIndicesAttr().Get(), mesh.GetFaceVertexCountsAttr().Get(), n)
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
