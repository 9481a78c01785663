"""GLB, the binary file of glTF 2.0: the triangles of its default scene, in the scene's coordinates."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from inr.signals.files.meshes.accessors import Accessors, entry
from inr.signals.files.meshes.nodes import Nodes
from inr.signals.files.meshes.polygons import Faces, Floats, MeshData, mesh_of

_MAX_TRIANGLES = 2**27
_JSON, _BIN = 0x4E4F534A, 0x004E4942
_DRACO = "KHR_draco_mesh_compression"
_KNOWN = re.compile(
    "KHR_mesh_quantization|EXT_mesh_gpu_instancing|KHR_lights_punctual|KHR_xmp.*|(KHR|EXT|MSFT)_(materials|texture)_.+"
)


def read(data: bytes) -> MeshData:
    """The mesh of a GLB file: all nodes of the default scene, with instances, skins and morph targets applied.

    ValueError for damage and for what is not read, which it names: other required extensions (Draco, meshopt), and data
    in other files.
    """
    document, binary = _chunks(data)
    try:
        for name in document.get("extensionsRequired", []):
            if not _KNOWN.fullmatch(name):
                raise ValueError(f"it requires the extension {name!r}, which is not read; export it without")
        accessors = Accessors(document, _buffers(document, binary), len(data))
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused at the end
            return _mesh(document, accessors)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"its JSON is not that of glTF 2.0: {error}") from error


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The JSON document and the binary chunk of a file."""
    if len(data) < 20 or not data.startswith(b"glTF"):
        raise ValueError(f"it has {len(data)} bytes and does not hold a GLB header")
    version, length = (int.from_bytes(data[i : i + 4], "little") for i in (4, 8))
    if version != 2:
        raise ValueError(f"it is GLB version {version}, expected 2")
    if length > len(data):
        raise ValueError(f"its header states {length} bytes, it has {len(data)}")
    found: dict[int, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = (int.from_bytes(data[i : i + 4], "little") for i in (at, at + 4))
        if at + 8 + size > length:
            raise ValueError(f"a chunk ends at byte {at + 8 + size} of {length}")
        found.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in found:
        raise ValueError("it has no JSON chunk")
    try:
        document = json.loads(found[_JSON].decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its JSON chunk is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("its JSON chunk is not that of glTF 2.0")
    return document, found.get(_BIN)


def _buffers(document: Mapping[str, Any], binary: bytes | None) -> list[bytes | str]:
    """The bytes of each buffer, or why there are none."""
    found: list[bytes | str] = []
    for i, row in enumerate(document.get("buffers", [])):
        uri = row.get("uri")
        if uri is None:
            found.append(binary if i == 0 and binary is not None else f"its buffer {i} has no data in the file")
        elif uri.startswith("data:"):
            try:
                found.append(base64.b64decode(uri.partition(",")[2], validate=True))
            except binascii.Error:
                found.append(f"its buffer {i} is not base64")
        else:
            found.append(f"its buffer {i} is in another file, {uri[:80]!r}; expected one file, export it as .glb")
    return found


def _mesh(document: Mapping[str, Any], accessors: Accessors) -> MeshData:
    nodes = Nodes(document, accessors)
    parts: list[tuple[Floats, Faces]] = []
    n_triangles = n_left_out = 0
    for node, places in nodes.with_meshes():
        mesh = entry(document, "meshes", node["mesh"])
        for primitive in mesh.get("primitives", []):
            mode = primitive.get("mode", 4)
            if mode not in range(7):
                raise ValueError(f"a primitive has the mode {mode!r}, expected 0 to 6")
            if mode < 4:
                n_left_out += 1
                continue
            vertices, faces = _primitive(primitive, mode, accessors)
            n_triangles += len(faces) * len(places)
            if n_triangles > _MAX_TRIANGLES:
                raise ValueError(f"its instances make more than {_MAX_TRIANGLES} triangles")
            vertices = _morphed(vertices, primitive, node.get("weights", mesh.get("weights", [])), accessors)
            if "skin" in node and "JOINTS_0" in primitive["attributes"]:
                vertices, is_mirrored = _skinned(
                    vertices, primitive["attributes"], nodes.bones(node["skin"]), accessors
                )
                parts.append((vertices, faces[:, ::-1] if is_mirrored else faces))
                continue
            for place in places:
                is_mirrored = np.linalg.det(place[:3, :3]) < 0
                moved = vertices @ place[:3, :3].T + place[:3, 3]
                parts.append((moved, faces[:, ::-1] if is_mirrored else faces))
    notes = nodes.notes
    if n_left_out:
        notes += (f"{n_left_out} primitives of points or lines were left out",)
    sizes = [len(vertices) for vertices, _ in parts]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    empty: tuple[Floats, Faces] = (np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    corners = [empty[1], *(faces + start for (_, faces), start in zip(parts, starts, strict=False))]
    return mesh_of(np.concatenate([empty[0], *(v for v, _ in parts)]), np.concatenate(corners), notes=notes)


def _primitive(primitive: Mapping[str, Any], mode: int, accessors: Accessors) -> tuple[Floats, Faces]:
    """Positions [V, 3] and triangles [F, 3] in the mesh's own coordinates."""
    named = [primitive["attributes"]["POSITION"]] + ([primitive["indices"]] if "indices" in primitive else [])
    if _DRACO in primitive.get("extensions", {}) and not all(map(accessors.has_data, named)):
        raise ValueError(f"it is compressed with {_DRACO!r}, which is not read; export it without")
    vertices = accessors.floats(named[0], 3)
    index = accessors.integers(named[1], 1)[:, 0] if len(named) > 1 else np.arange(len(vertices))
    if len(index) and int(index.max()) >= len(vertices):
        raise ValueError(f"a primitive has the vertex index {int(index.max())}, expected 0 to {len(vertices) - 1}")
    if mode == 4:
        if len(index) % 3:
            raise ValueError(f"a primitive of triangles has {len(index)} vertices, expected a multiple of 3")
        return vertices, index.reshape(-1, 3)
    n = max(0, len(index) - 2)
    if mode == 5:
        i = np.arange(n)
        turn = i % 2
        return vertices, np.stack([index[i], index[i + 1 + turn], index[i + 2 - turn]], axis=1)
    return vertices, np.stack([index[1 : n + 1], index[2 : n + 2], np.repeat(index[:1], n)], axis=1)


def _morphed(vertices: Floats, primitive: Mapping[str, Any], weights: list[float], accessors: Accessors) -> Floats:
    for weight, target in zip(weights, primitive.get("targets", []), strict=False):
        if weight and "POSITION" in target:
            moved = accessors.floats(target["POSITION"], 3)
            if len(moved) != len(vertices):
                raise ValueError(f"a morph target has {len(moved)} positions for {len(vertices)} vertices")
            vertices = vertices + weight * moved
    return vertices


def _skinned(
    vertices: Floats, attributes: Mapping[str, Any], bones: Floats, accessors: Accessors
) -> tuple[Floats, bool]:
    """Positions in the scene of vertices that follow joints; whether the joints mirror them."""
    total = np.zeros((len(vertices), 4, 4))
    sum_of_weights = np.zeros(len(vertices))
    for i in range(len(attributes)):
        if f"JOINTS_{i}" not in attributes:
            break
        joints, weights = (
            accessors.integers(attributes[f"JOINTS_{i}"], 4),
            accessors.floats(attributes[f"WEIGHTS_{i}"], 4),
        )
        if len(joints) != len(vertices) or len(weights) != len(vertices):
            raise ValueError(f"{len(joints)} joints and {len(weights)} weights are given for {len(vertices)} vertices")
        if joints.size and int(joints.max()) >= len(bones):
            raise ValueError(f"a vertex refers to joint {int(joints.max())}, the skin has {len(bones)}")
        for k in range(4):
            total += weights[:, k, None, None] * bones[joints[:, k]]
            sum_of_weights += weights[:, k]
    if not (sum_of_weights > 0).all():
        raise ValueError(f"vertex {int((sum_of_weights <= 0).argmax()) + 1} of a skin has no weight")
    total /= sum_of_weights[:, None, None]
    placed: Floats = np.einsum("nij,nj->ni", total[:, :3, :3], vertices) + total[:, :3, 3]
    return placed, bool(np.median(np.linalg.det(total[:, :3, :3])) < 0) if len(vertices) else False
