"""3MF volumetric files, unpacked and sampled as their specification says."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pytest
from PIL import Image

from inr.core.errors import EmptyError, UsageError
from inr.exporters import EXPORTERS, exporter_for
from inr.mesh.fit_distance import FitDistance
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded

CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
VOLUME = "{http://schemas.3mf.io/3dmanufacturing/volumetric/2022/01}"
RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
TEXTURE = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dtexture"


def package(data: bytes) -> tuple[zipfile.ZipFile, ElementTree.Element]:
    file = zipfile.ZipFile(io.BytesIO(data))
    assert file.testzip() is None
    return file, ElementTree.fromstring(file.read("3D/3dmodel.model"))


def only(parent: ElementTree.Element, tag: str) -> ElementTree.Element:
    (found,) = parent.iter(tag)
    return found


def test_the_level_set_has_the_distances_of_the_fit() -> None:
    voxel = 0.11
    file, model = package(encoded("image3d", a_torus(), voxel=voxel).main)
    stack, function, level = (only(model, VOLUME + tag) for tag in ("imagestack", "functionfromimage3d", "levelset"))
    paths = [sheet.attrib["path"] for sheet in stack]
    pictures = np.stack([np.asarray(Image.open(file.open(path[1:]))) for path in paths])  # [sheet, row, column]
    assert pictures.shape == tuple(int(stack.attrib[k]) for k in ("sheetcount", "rowcount", "columncount"))
    sampled = pictures / 65535 * float(function.attrib["valuescale"]) + float(function.attrib["valueoffset"])

    # a voxel's centre, from the corner at the left, front and bottom: the last row is the front one
    k, i, j = np.indices(pictures.shape)
    n_sheets, n_rows, n_columns = pictures.shape
    uvw = np.stack([(j + 0.5) / n_columns, 1 - (i + 0.5) / n_rows, (k + 0.5) / n_sheets], axis=-1).reshape(-1, 3)
    matrix = np.array(list(map(float, level.attrib["transform"].split()))).reshape(4, 3)
    x = np.linalg.solve(matrix[:3].T, (uvw - matrix[3]).T).T
    off = np.abs(sampled.reshape(-1) - FitDistance(a_torus())(x))
    assert off.max() < 1.01 * float(function.attrib["valuescale"]) / 65535
    assert level.attrib["channel"] == "red"
    assert float(level.attrib["minfeaturesize"]) == pytest.approx(voxel)
    assert (function.attrib["image3did"], level.attrib["functionid"]) == ("1", function.attrib["id"])


def test_every_picture_is_related_to_the_model_and_the_box_is_closed_around_the_shape() -> None:
    file, model = package(encoded("image3d", a_torus(), voxel=0.2).main)
    sheets = {sheet.attrib["path"] for sheet in only(model, VOLUME + "imagestack")}
    related = ElementTree.fromstring(file.read("3D/_rels/3dmodel.model.rels")).iter(RELATION)
    assert {each.attrib["Target"] for each in related if each.attrib["Type"] == TEXTURE} == sheets
    assert {f"/{name}" for name in file.namelist() if name.endswith(".png")} == sheets
    level = only(model, VOLUME + "levelset")
    box = next(each for each in model.iter(CORE + "object") if each.attrib["id"] == level.attrib["meshid"])
    corners = np.array([[float(v.attrib[c]) for c in "xyz"] for v in box.iter(CORE + "vertex")])
    faces = np.array([[int(t.attrib[c]) for c in ("v1", "v2", "v3")] for t in box.iter(CORE + "triangle")])
    volume = np.einsum("nd,nd->n", corners[faces[:, 0]], np.cross(corners[faces[:, 1]], corners[faces[:, 2]])).sum() / 6
    assert volume == pytest.approx(np.prod(np.ptp(corners, axis=0)))
    assert np.abs(corners).min() > 1.35  # the torus reaches that far
    built = only(only(model, CORE + "build"), CORE + "item").attrib["objectid"]
    assert built != box.attrib["id"]


def test_the_suffix_alone_is_a_mesh() -> None:
    assert exporter_for(".3mf") == (EXPORTERS["mesh"], ".3mf")
    assert exporter_for("image3d") == (EXPORTERS["image3d"], ".3mf")


def test_what_it_cannot_write() -> None:
    with pytest.raises(UsageError, match="have 16 bits per value anyway"):
        encoded("image3d", a_torus(), voxel=0.2, half=True)


def test_a_shape_that_the_lattice_does_not_meet_is_refused() -> None:
    torus = a_torus()
    far = dataclasses.replace(torus, frame=dataclasses.replace(torus.frame, offset=(1.0,)))  # 1 is added to distances
    with pytest.raises(
        EmptyError, match=r"never crosses 0 on the lattice; its values range from 0\.\d+ to \d"
    ) as error:
        encoded("image3d", far, voxel=0.2)
    assert error.value.hint == "give a smaller voxel, or fit longer"
