"""MJCF: the mesh in the file, and what MuJoCo makes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.exporters import EXPORTERS
from inr.mesh import mesh_of_fit
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded


def test_the_mesh_is_the_surface() -> None:
    root = ElementTree.fromstring(encoded("mjcf", a_torus(), voxel=0.1, name="ring").main)
    mesh = root.find("asset/mesh")
    assert mesh is not None
    vertices = np.array(mesh.attrib["vertex"].split(), float).reshape(-1, 3)
    faces = np.array(mesh.attrib["face"].split(), int).reshape(-1, 3)
    expected = mesh_of_fit(a_torus(), 30)
    assert np.allclose(vertices, expected.vertices)
    assert np.array_equal(faces, expected.faces)
    geom = root.find("worldbody/body/geom")
    assert geom is not None
    assert geom.attrib == {"type": "sdf", "mesh": "ring", "density": "1000"}
    assert root.find("worldbody/body/freejoint") is not None


def test_settings_change_the_body() -> None:
    text = encoded("mjcf", a_torus(), voxel=0.2, is_fixed=True, is_hull=True, density=2.5).main
    root = ElementTree.fromstring(text)
    assert root.find("worldbody/body/freejoint") is None
    assert root.find("worldbody/body/geom").attrib["type"] == "mesh"  # type: ignore[union-attr]
    assert EXPORTERS["mjcf"].suffixes[0] == ".xml"


@pytest.mark.parametrize(("voxel", "word"), [(1.0, "smaller"), (1e-5, "larger")])
def test_a_voxel_out_of_range_is_refused(voxel: float, word: str) -> None:
    with pytest.raises(UsageError, match=r"cells along the box of 2.97, expected 4 to 4096") as caught:
        encoded("mjcf", a_torus(), voxel=voxel)
    assert word in str(caught.value.hint)


def test_mujoco_loads_it_and_it_falls() -> None:
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(encoded("mjcf", a_torus(), voxel=0.1).main.decode())
    assert model.geom_type[0] == mujoco.mjtGeom.mjGEOM_SDF
    assert model.body_mass[1] == pytest.approx(1000 * mesh_of_fit(a_torus(), 30).volume, rel=0.01)
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 50)
    assert data.qpos[2] < -0.04
