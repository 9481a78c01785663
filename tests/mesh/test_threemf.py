"""3MF packages: read back by trimesh and by lib3mf, the consortium's library, where it is installed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from inr.mesh import Mesh, save_mesh
from inr.mesh.threemf import threemf

CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
MATERIALS = "{http://schemas.microsoft.com/3dmanufacturing/material/2015/02}"


def ball(*, is_coloured: bool = False) -> Mesh:
    made = trimesh.creation.icosphere(2)
    vertices = np.asarray(made.vertices) * 12.3456789 + 100
    colors = np.random.default_rng(0).integers(0, 256, (len(vertices), 3), dtype=np.uint8) if is_coloured else None
    return Mesh(vertices, np.asarray(made.faces, np.int64), colors=colors)


def test_trimesh_reads_the_same_triangles() -> None:
    pytest.importorskip("lxml")  # which it reads 3MF with
    mesh = ball()
    out = io.BytesIO()
    notes = save_mesh(mesh, out, ".3mf")
    assert "millimetres" in " ".join(notes)
    scene = trimesh.load(io.BytesIO(out.getvalue()), file_type="3mf", process=False)
    (again,) = scene.geometry.values()
    assert np.array_equal(again.faces, mesh.faces)
    assert np.allclose(again.vertices, mesh.vertices, rtol=1e-8)
    assert again.is_watertight
    assert out.getvalue() == threemf(mesh)


def test_colours_are_those_of_the_corners() -> None:
    mesh = ball(is_coloured=True)
    package = zipfile.ZipFile(io.BytesIO(threemf(mesh)))
    assert package.testzip() is None
    model = ElementTree.fromstring(package.read("3D/3dmodel.model"))
    assert model.attrib["unit"] == "millimeter"
    colours = [bytes.fromhex(c.attrib["color"][1:]) for c in model.iter(MATERIALS + "color")]
    vertices = [[float(v.attrib[axis]) for axis in "xyz"] for v in model.iter(CORE + "vertex")]
    assert np.allclose(vertices, mesh.vertices, rtol=1e-8)
    triangles = [t.attrib for t in model.iter(CORE + "triangle")]
    assert mesh.colors is not None
    for face, triangle in zip(mesh.faces, triangles, strict=True):
        assert [int(triangle[k]) for k in ("v1", "v2", "v3")] == face.tolist()
        assert [list(colours[int(triangle[k])]) for k in ("p1", "p2", "p3")] == mesh.colors[face].tolist()


@pytest.mark.parametrize("is_coloured", [False, True])
def test_lib3mf_finds_a_valid_closed_mesh(tmp_path: Path, is_coloured: bool) -> None:
    lib3mf = pytest.importorskip("lib3mf")
    mesh = ball(is_coloured=is_coloured)
    path = tmp_path / "ball.3mf"
    path.write_bytes(threemf(mesh))
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    objects = model.GetMeshObjects()
    assert objects.MoveNext()
    found = objects.GetCurrentMeshObject()
    assert found.IsManifoldAndOriented()
    assert found.GetTriangleCount() == len(mesh.faces)
    assert model.GetColorGroups().Count() == int(is_coloured)
