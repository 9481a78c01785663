"""Mesh files round-trip; pictures show the shape; bad names are refused in one line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from inr.core.errors import UsageError
from inr.mesh import FORMATS, Mesh, MeshResult, extract_mesh, picture, save_mesh
from inr.signals import Source
from inr.signals.files.meshes import read_mesh
from tests.mesh import shapes


@pytest.fixture(scope="module")
def mesh() -> MeshResult:
    return extract_mesh(shapes.ellipsoid, resolution=32)


def load(data: bytes, suffix: str) -> Any:
    return trimesh.load_mesh(io.BytesIO(data), file_type=suffix[1:], process=False, maintain_order=True)


def encoded(mesh: Mesh, suffix: str) -> bytes:
    out = io.BytesIO()
    save_mesh(mesh, out, suffix)
    return out.getvalue()


def stored_normals(data: bytes, suffix: str, n: int) -> Any:
    """The normals as they lie in the file; trimesh's own loaders make new ones from the faces."""
    if suffix == ".ply":
        return np.frombuffer(data.split(b"end_header\n", 1)[1], "<f4", 6 * n).reshape(n, 6)[:, 3:]
    if suffix == ".obj":
        return np.array([line.split()[1:] for line in data.decode().splitlines() if line.startswith("vn ")], float)
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + length])
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]]
    start = 28 + length + document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    return np.frombuffer(data[start:], "<f4", 3 * n).reshape(n, 3)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_round_trip(mesh: MeshResult, suffix: str) -> None:
    data = encoded(mesh, suffix)
    again = load(data, suffix)
    assert np.array_equal(again.faces, mesh.faces)
    assert np.allclose(again.vertices, mesh.vertices, rtol=0, atol=1e-7)
    assert np.allclose(stored_normals(data, suffix, len(mesh.vertices)), mesh.normals, rtol=0, atol=1e-6)
    assert again.is_watertight


def test_stl_keeps_triangles(mesh: MeshResult) -> None:
    data = encoded(mesh, ".stl")
    again = load(data, ".stl")
    assert np.allclose(again.triangles, mesh.vertices[mesh.faces], rtol=0, atol=1e-7)
    assert "no shared vertices" in save_mesh(mesh, io.BytesIO(), ".stl")[0]


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_mesh_same_bytes(mesh: MeshResult, suffix: str) -> None:
    assert encoded(mesh, suffix) == encoded(extract_mesh(shapes.ellipsoid, resolution=32), suffix)


def test_ply_is_binary_with_normals_and_the_default(mesh: MeshResult) -> None:
    out = io.BytesIO()
    assert save_mesh(mesh, out) == []
    header = out.getvalue().split(b"end_header")[0]
    assert b"binary_little_endian" in header
    assert b"property float nx" in header
    assert b"nx" not in encoded(Mesh(mesh.vertices, mesh.faces), ".ply").split(b"end_header")[0]


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_obj_keeps_digits_at_any_size(mesh: MeshResult, scale: float) -> None:
    again = load(encoded(Mesh(mesh.vertices * scale, mesh.faces, mesh.normals), ".obj"), ".obj")
    assert np.allclose(again.vertices, mesh.vertices * scale, rtol=0, atol=1e-7 * scale)


def test_rounding_far_from_the_origin_is_noted(mesh: MeshResult) -> None:
    far = Mesh(mesh.vertices + 1e5, mesh.faces)
    notes = {suffix: " ".join(save_mesh(far, io.BytesIO(), suffix)) for suffix in (".ply", ".obj", ".glb", ".stl")}
    assert [suffix for suffix, note in notes.items() if "float32" in note] == [".stl"]
    assert "rounded by 0.006; PLY, OBJ and GLB keep them" in notes[".stl"]


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (500000.3, 4000000.7, 120.1), (0.0, 1e9, 0.0)])
def test_places_far_from_the_origin_keep_their_digits(mesh: MeshResult, suffix: str, place: tuple[float, ...]) -> None:
    far = Mesh(mesh.vertices + np.array(place), mesh.faces, mesh.normals)
    again = read_mesh(Source("a" + suffix, data=encoded(far, suffix)))
    size = float(np.ptp(mesh.vertices, axis=0).max())
    np.testing.assert_allclose(again.vertices[again.faces], far.vertices[far.faces], rtol=0, atol=1e-7 * size)


def test_a_glb_far_away_is_at_its_place_in_single_precision_too(mesh: MeshResult) -> None:
    data = encoded(Mesh(mesh.vertices + np.array([500000.3, 4000000.7, 120.1]), mesh.faces), ".glb")
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    place = np.array(document["nodes"][0]["matrix"])[12:15]
    assert np.abs(place).max() > 1e6
    np.testing.assert_array_equal(place, place.astype(np.float32))


def test_ply_has_doubles_only_where_they_are_needed(mesh: MeshResult) -> None:
    assert b"property float x" in encoded(mesh, ".ply")
    assert b"property double x" in encoded(Mesh(mesh.vertices + 1e3, mesh.faces), ".ply")


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1.0, 1e9])
@pytest.mark.parametrize("place", [0.0, 1e3])
def test_facet_normals_of_stl_are_right_at_any_size(mesh: MeshResult, size: float, place: float) -> None:
    made = Mesh((mesh.vertices + place) * size, mesh.faces)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    normals = np.frombuffer(encoded(made, ".stl"), record, offset=84)["normal"]
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    expected = np.cross(b - a, c - a)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(normals, expected, rtol=0, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=0, atol=1e-6)


def test_facets_without_area_have_the_normal_of_their_vertices() -> None:
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 1, 3]])
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    for normals, expected in ((np.tile([0.0, 0, 1], (4, 1)), [0, 0, 1]), (None, [0, 0, 0])):
        found = np.frombuffer(encoded(Mesh(corners, faces, normals), ".stl"), record, offset=84)["normal"]
        np.testing.assert_array_equal(found, [expected, [0, 0, 1]])


def test_paths(mesh: MeshResult, tmp_path: Path) -> None:
    path = tmp_path / "a.OBJ"
    save_mesh(mesh, path)
    assert path.read_bytes() == encoded(mesh, ".obj")
    with pytest.raises(UsageError, match="exists"):
        save_mesh(mesh, path)
    save_mesh(mesh, path, ".stl", force=True)
    assert path.read_bytes() == encoded(mesh, ".stl")
    assert [p.name for p in tmp_path.iterdir()] == ["a.OBJ"]
    with pytest.raises(UsageError, match="does not exist"):
        save_mesh(mesh, tmp_path / "none" / "a.ply")


def test_refusals(mesh: MeshResult, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown mesh format '.plyy' \(did you mean '.ply'\?\)"):
        save_mesh(mesh, tmp_path / "a.plyy")
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
    with pytest.raises(UsageError, match="empty"):
        save_mesh(empty, tmp_path / "a.ply")
    assert not list(tmp_path.iterdir())


def test_picture_of_a_ball_is_a_disc() -> None:
    seen = picture(extract_mesh(shapes.sphere, resolution=48), 128).astype(int)
    drawn = (np.abs(seen - seen[0, 0]) > 8).any(axis=2)
    row, column = np.indices(drawn.shape) + 0.5
    radius = np.hypot(row - 64, column - 64)
    assert drawn[radius < 0.43 * 128].all()
    assert not drawn[radius > 0.45 * 128].any()
    assert seen[40, 50].sum() > seen[90, 80].sum() + 100  # lit from above left


def test_picture_shows_the_nearer_face() -> None:
    """Two triangles seen from the front (from +z): the nearer one, which faces the light less, hides the other."""
    far = [[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]
    near = [[-0.5, -0.5, 1.0], [0.5, -0.5, 1], [0, 0.5, 1.2]]
    both = Mesh(np.array(far + near), np.array([[0, 1, 2], [3, 4, 5]]))
    turned = Mesh(both.vertices, both.faces[::-1].copy())
    image = picture(both, 64, azimuth_deg=0, elevation_deg=0)
    assert np.array_equal(image, picture(turned, 64, azimuth_deg=0, elevation_deg=0))
    assert len(np.unique(image[20:50, 25:40].reshape(-1, 3), axis=0)) > 1
    assert (image[40, 32] != image[56, 15]).any()


def test_picture_has_the_colours_of_its_mesh() -> None:
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    red = np.tile(np.array([200, 0, 0], np.uint8), (4, 1))
    seen = picture(Mesh(corners, faces, colors=red), 64, azimuth_deg=0, elevation_deg=0)[32, 32].astype(int)
    assert seen[0] > 60
    assert (seen[1:] == 0).all()


def test_picture_file_and_size(mesh: MeshResult) -> None:
    with Image.open(io.BytesIO(encoded(mesh, ".png"))) as image:
        assert image.size == (512, 512)
        assert image.mode == "RGB"
    with pytest.raises(UsageError, match="picture size 4"):
        picture(mesh, 4)
