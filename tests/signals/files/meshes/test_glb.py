"""GLB: accessors of every kind, nodes, instances, skins, morph targets; unsupported features are refused by name."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from inr.core.errors import UnreadableError
from tests.signals.files.meshes.mesh_bytes import (
    BOX,
    BOX_FACES,
    Floats,
    Glb,
    glb_of,
    primitive,
    read,
    triangles,
)


def moved(x: float, y: float, z: float) -> Floats:
    """The box elsewhere."""
    found: Floats = BOX + np.array([x, y, z])
    return found


def test_quantised_positions_are_scaled() -> None:
    for code, scale in (("int8", 127), ("uint8", 255), ("int16", 32767), ("uint16", 65535)):
        whole = np.rint(BOX / 3 * scale).astype(code)
        for is_normalised in (True, False):
            glb = Glb()
            position = glb.add(whole, stride=8, normalized=is_normalised)
            index = glb.add(BOX_FACES.reshape(-1, 1).astype("uint8"))
            glb.show({"attributes": {"POSITION": position}, "indices": index}, scale=[3, 3, 3], translation=[5, 0, 0])
            glb.document["extensionsRequired"] = ["KHR_mesh_quantization"]
            expected = whole / (scale if is_normalised else 1) * 3 + [5, 0, 0]
            np.testing.assert_allclose(triangles(read("a.glb", glb.bytes())), expected[BOX_FACES], rtol=1e-14)


def test_strips_and_fans_of_a_glb() -> None:
    order = np.array([0, 1, 2, 3, 4])
    glb = Glb()
    glb.show(primitive(glb, BOX, order, mode=5), primitive(glb, BOX, order, mode=6), primitive(glb, BOX, order, mode=0))
    found = read("a.glb", glb.bytes())
    expected = [[0, 1, 2], [1, 3, 2], [2, 3, 4], [1, 2, 0], [2, 3, 0], [3, 4, 0]]
    np.testing.assert_array_equal(triangles(found), BOX[expected])
    assert found.notes == ("1 primitives of points or lines were left out",)


def test_instances_are_shown_at_their_places() -> None:
    glb = glb_of(BOX, BOX_FACES, translation=[100, 0, 0])
    moves = np.array([[0, 0, 0], [10, 0, 0], [20, 0, 0]], np.float32)
    turns = np.array([[0, 0, 0, 127], [0, 0, 90, 90], [0, 0, 0, 127]], np.int8)
    sizes = np.array([[1, 1, 1], [1, 1, 1], [-2, 2, 2]], np.float32)
    attributes = {
        "TRANSLATION": glb.add(moves),
        "ROTATION": glb.add(turns, normalized=True),
        "SCALE": glb.add(sizes),
    }
    glb.document["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    glb.document["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    found = triangles(read("a.glb", glb.bytes()))
    quarter = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    places = [moved(100, 0, 0), BOX @ quarter + [110, 0, 0], BOX * [-2, 2, 2] + [120, 0, 0]]
    np.testing.assert_allclose(found[:24], np.concatenate([p[BOX_FACES] for p in places[:2]]), atol=1e-12)
    np.testing.assert_allclose(found[24:], places[2][BOX_FACES[:, ::-1]], atol=1e-12)  # mirrored: turned over


def volume(corners: Floats) -> float:
    return float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def test_nodes_move_turn_scale_and_mirror() -> None:
    glb = glb_of(BOX, BOX_FACES)
    document = glb.document
    matrix = np.array([[0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    document["nodes"] = [
        {"children": [1, 2], "scale": [2, 2, 2]},
        {"mesh": 0, "matrix": matrix.T.ravel().tolist()},
        {"children": [3], "translation": [1000000.25, 0, 0]},
        {"mesh": 0, "scale": [-1, 1, 1]},
    ]
    document["scenes"] = [{"nodes": [0]}]
    found = triangles(read("a.glb", glb.bytes()))
    np.testing.assert_allclose(found[:12], 2 * (BOX @ matrix[:3, :3].T + [5, 0, 0])[BOX_FACES])
    mirrored = (2 * (BOX * [-1, 1, 1] + [1000000.25, 0, 0]))[BOX_FACES[:, ::-1]]
    np.testing.assert_array_equal(found[12:], mirrored)
    inside = volume(BOX[BOX_FACES])
    assert abs(inside) == 6
    assert volume(found[12:] - found[12, 0]) == pytest.approx(8 * inside)


def test_only_the_default_scene_is_read_with_a_note() -> None:
    def two(document: dict[str, Any]) -> None:
        document["nodes"] = [{"mesh": 0}, {"mesh": 0, "translation": [10, 0, 0]}]
        document["scenes"] = [{"nodes": [0]}, {"nodes": [1]}]
        document["scene"] = 1

    found = read("a.glb", glb_of(BOX, BOX_FACES).bytes(two))
    np.testing.assert_array_equal(triangles(found), moved(10, 0, 0)[BOX_FACES])
    assert found.notes == ("its default scene was read, 1 other scene was left out",)


def test_morph_targets_count_by_their_weights() -> None:
    glb = Glb()
    made = primitive(glb, BOX, BOX_FACES)
    made["targets"] = [{"POSITION": glb.add(np.full((8, 3), 4.0, np.float32))}, {"POSITION": glb.add(BOX.astype("f4"))}]
    glb.show(made)
    np.testing.assert_array_equal(triangles(read("a.glb", glb.bytes())), BOX[BOX_FACES])
    glb.document["meshes"][0]["weights"] = [0.5, 0]
    np.testing.assert_array_equal(triangles(read("a.glb", glb.bytes())), (BOX + 2)[BOX_FACES])
    glb.document["nodes"][0]["weights"] = [0, 1]
    np.testing.assert_array_equal(triangles(read("a.glb", glb.bytes())), 2 * BOX[BOX_FACES])


def test_skins_put_vertices_where_their_joints_are() -> None:
    glb = Glb()
    made = primitive(glb, BOX, BOX_FACES)
    joints = np.zeros((8, 4), np.uint8)
    joints[:, 1] = 1
    weights = np.zeros((8, 4), np.float32)
    weights[:, 0], weights[:, 1] = np.where(BOX[:, 0] > 0, 0.25, 1), np.where(BOX[:, 0] > 0, 0.75, 0)
    made["attributes"] |= {"JOINTS_0": glb.add(joints), "WEIGHTS_0": glb.add(weights)}
    glb.show(made, skin=0, translation=[77, 77, 77])  # the position of a skinned node is ignored
    inverse = np.tile(np.eye(4, dtype=np.float32).T.ravel(), (2, 1))
    glb.document["nodes"] += [{"children": [2], "translation": [1, 0, 0]}, {"translation": [0, 4, 0]}]
    glb.document["scenes"][0]["nodes"].append(1)
    glb.document["skins"] = [{"joints": [1, 2], "inverseBindMatrices": glb.add(inverse)}]
    bent = moved(1, 0, 0) + np.outer(BOX[:, 0] > 0, [0, 3, 0])
    np.testing.assert_allclose(triangles(read("a.glb", glb.bytes())), bent[BOX_FACES])


def refused_glb() -> dict[str, tuple[bytes, str]]:
    def changed(change: Any, vertices: Floats = BOX) -> bytes:
        return glb_of(vertices, BOX_FACES).bytes(change)

    def at(*path: Any, **values: Any) -> Any:
        def change(document: Any) -> None:
            for key in path:
                document = document[key]
            document.update(values)

        return change

    draco = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}

    def partly_draco() -> bytes:
        glb = glb_of(BOX, BOX_FACES)
        position, index = glb.accessor(8, 3, "float32"), glb.accessor(36, 1, "uint16")
        compressed = {"attributes": {"POSITION": position}, "indices": index, "extensions": draco}
        glb.document["meshes"][0]["primitives"].append(compressed)
        return glb.bytes()

    def meshopt(document: Any) -> None:
        document["buffers"].append({"byteLength": 96})
        document["bufferViews"][0]["buffer"] = 1
        document["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": {}}

    plain = changed(None)
    nan = BOX.copy()
    nan[2, 1] = np.nan
    return {
        "draco": (changed(at(extensionsRequired=["KHR_draco_mesh_compression"])), "'KHR_draco_mesh_compression'"),
        "partly draco": (partly_draco(), "'KHR_draco_mesh_compression'"),
        "meshopt": (changed(at(extensionsRequired=["EXT_meshopt_compression"])), "'EXT_meshopt_compression'"),
        "meshopt that is not said to be required": (changed(meshopt), "EXT_meshopt_compression"),
        "unknown extension": (changed(at(extensionsRequired=["ACME_shape"])), "'ACME_shape'"),
        "external buffer": (changed(at("buffers", 0, uri="gone.bin")), "another file, 'gone.bin'"),
        "no data": (changed(lambda d: d["accessors"][0].pop("bufferView")), "accessor 0 has no data"),
        "count": (changed(at("accessors", 0, count=9)), "do not fit"),
        "huge count": (changed(at("accessors", 0, count=10**12)), "10{12} entries"),
        "negative offset": (changed(at("bufferViews", 0, byteOffset=-4)), "byteOffset -4"),
        "view beyond the end": (changed(at("bufferViews", 1, byteLength=10**9)), "ends at byte"),
        "stride": (changed(at("bufferViews", 0, byteStride=4)), "stride 4, expected 12"),
        "type": (changed(at("accessors", 0, type="VEC2")), "'VEC2'"),
        "component type": (changed(at("accessors", 0, componentType=5130)), "5130"),
        "index of floats": (changed(at("accessors", 1, componentType=5126, count=12)), "whole numbers"),
        "index too large": (glb_of(BOX[:7], BOX_FACES).bytes(), "vertex index 7, expected 0 to 6"),
        "not a multiple of 3": (changed(at("accessors", 1, count=35)), "35 vertices, expected a multiple"),
        "mode": (changed(at("meshes", 0, "primitives", 0, mode=9)), "mode 9"),
        "nan": (changed(None, nan), "vertex 3 of 8"),
        "circle": (changed(at("nodes", 0, children=[0])), "circle"),
        "two parents": (changed(at(nodes=[{"children": [1, 1]}, {"mesh": 0}])), "two parents"),
        "no such mesh": (changed(at("nodes", 0, mesh=7)), r"meshes\[7\], there are 1"),
        "matrix": (changed(at("nodes", 0, matrix=[1, 2, 3])), "3 numbers, expected 16"),
        "lists where there should be objects": (changed(at(accessors=[[], []])), "JSON is not that of glTF"),
        "version 1": (plain[:4] + struct.pack("<I", 1) + plain[8:], "version 1, expected 2"),
        "cut": (plain[:-8], f"states {len(plain)} bytes, it has {len(plain) - 8}"),
        "not JSON": (plain.replace(b'{"asset"', b"{'asset'"), "not JSON"),
        "no meshes": (changed(at(meshes=[], nodes=[], scenes=[])), "has no faces"),
    }


@pytest.mark.parametrize("name", refused_glb())
def test_an_unsupported_glb_is_refused_with_the_reason(name: str) -> None:
    data, message = refused_glb()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        read("a.glb", data)
    assert "\n" not in caught.value.message


def test_instances_beyond_all_memory_are_refused() -> None:
    glb = glb_of(BOX, np.tile(BOX_FACES, (1200, 1)))
    attributes = {"TRANSLATION": glb.add(np.zeros((10000, 3), np.float32))}
    glb.document["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    with pytest.raises(UnreadableError, match="more than 134217728 triangles"):
        read("a.glb", glb.bytes())


def test_buffers_may_be_inside_the_json() -> None:
    def inline(document: dict[str, Any]) -> None:
        import base64

        document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(glb.binary).decode()

    glb = glb_of(BOX, BOX_FACES)
    np.testing.assert_array_equal(triangles(read("a.glb", glb.bytes(inline))), BOX[BOX_FACES])


def test_extensions_of_appearance_do_not_matter() -> None:
    glb = glb_of(BOX, BOX_FACES)
    glb.document["extensionsRequired"] = ["KHR_texture_basisu", "KHR_materials_unlit", "EXT_texture_webp"]
    np.testing.assert_array_equal(triangles(read("a.glb", glb.bytes())), BOX[BOX_FACES])
