"""Targets of meshes (OBJ, PLY, STL, GLB, OFF), point clouds (text, PLY, NPY) and arrays (NPY, NPZ)."""

from __future__ import annotations

import io
import json
import random
import re
import struct
from collections.abc import Callable

import numpy as np

from inr.signals import Signal, Source, load_signal
from inr.signals.files.meshes import read_mesh

from ._mutation import (
    json_mutated,
    json_text,
    mostly,
    npy_mutated,
    numbers_mutated,
    text_mutated,
    zip_mutated,
)
from ._reading import reading
from ._target import Mutator, Target, add

FOLLOWED = ("inr.signals",)
FEW = {"points": "64"}
MESH_CPU_S = 60.0
"""Signs and thickness of a surface that has holes or crosses itself take seconds, however small it is."""

VERTICES = np.array([(0, 0, 0), (2, 0, 0), (0, 3, 0), (0, 0, 4)], np.float64)
FACES = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)], np.int64)
CUBE = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def objs() -> list[bytes]:
    vertices = "".join(f"v {x:g} {y:g} {z:g}\n" for x, y, z in VERTICES)
    faces = "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in FACES)
    cube = "".join(f"v {x:g} {y:g} {z:g}\n" for x, y, z in CUBE)
    quads = "".join("f " + " ".join(f"{i + 1}/{i + 1}/1" for i in quad) + "\n" for quad in QUADS)
    relative = "".join(f"f {a - 4} {b - 4} {c - 4}\n" for a, b, c in FACES)
    head = "# a comment\nmtllib a.mtl\no part\ng group\nusemtl red\ns 1\nvt 0 0\nvn 0 0 1\n"
    made = [vertices + faces, head + cube + quads, vertices + relative, "\ufeff" + vertices + faces.replace(" ", "\t")]
    made.append(cube + "f 1 2 \\\n4 3\nl 1 2\np 1\nf 1//1 5//1 6//1\n")
    return [text.encode() for text in made]


def plys() -> list[bytes]:
    import trimesh

    mesh = trimesh.Trimesh(VERTICES, FACES, process=False)
    made = [mesh.export(file_type="ply"), mesh.export(file_type="ply", encoding="ascii")]
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty double x\nproperty double y\nproperty double z\n"
    rows = "".join(f"{x:g} {y:g} {z:g}\n" for x, y, z in VERTICES)
    mixed = "element face 3\nproperty list uchar int vertex_indices\nproperty uchar flags\nend_header\n"
    made.append((head + mixed + rows + "3 0 2 1 0\n4 0 1 3 2 5\n3 1 2 3 0\n").encode())
    strips = "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    made.append((head + strips + rows + "7 0 1 2 3 -1 0 1\n").encode())
    big = "ply\nformat binary_big_endian 1.0\ncomment c\nelement vertex 4\n"
    big += "property float x\nproperty float y\nproperty float z\n"
    big += "element face 4\nproperty list uchar uint vertex_index\nend_header\n"
    body = VERTICES.astype(">f4").tobytes() + b"".join(struct.pack(">BIII", 3, *face) for face in FACES.tolist())
    return [*made, big.encode() + body]


def stls() -> list[bytes]:
    triangles = VERTICES[FACES]
    text = "".join(
        "facet normal 0 0 0\n outer loop\n"
        + "".join(f"  vertex {x:g} {y:g} {z:g}\n" for x, y, z in corners)
        + " endloop\nendfacet\n"
        for corners in triangles
    )
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *corners.ravel(), 0) for corners in triangles)
    return [
        f"solid a b\n{text}endsolid a b\n".encode(),
        f"solid\n{text}".encode(),
        b"binary".ljust(80, b" ") + struct.pack("<I", len(triangles)) + body,
        b"solid but binary".ljust(80, b"\0") + struct.pack("<I", len(triangles)) + body + b"padding",
    ]


def glb(document: dict[str, object], binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    return glb_of(text, binary)


def glb_of(text: bytes, binary: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def glbs() -> list[bytes]:
    """Plain, with a tree of nodes, instanced, quantised, sparse, and with strips."""
    points, indices = VERTICES.astype("<f4").tobytes(), FACES.astype("<u2").tobytes()
    views = [
        {"buffer": 0, "byteLength": len(points)},
        {"buffer": 0, "byteOffset": len(points), "byteLength": len(indices)},
    ]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, 0], "max": [2, 3, 4]},
        {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
    ]
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 4}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(points) + len(indices)}],
    }
    tree = document | {
        "nodes": [
            {"children": [1, 2]},
            {"mesh": 0, "translation": [1, 2, 3], "rotation": [0, 0, 0, 1], "scale": [-1, 1, 1]},
            {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 9, 9, 9, 1]},
        ]
    }
    strip = document | {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode} for mode in (5, 6)]}]}
    small = (50 * VERTICES).astype("<i2")
    padded = np.zeros((4, 4), "<i2")
    padded[:, :3] = small
    quantised = document | {
        "extensionsRequired": ["KHR_mesh_quantization"],
        "extensionsUsed": ["KHR_mesh_quantization"],
        "accessors": [
            {"bufferView": 0, "componentType": 5122, "count": 4, "type": "VEC3", "normalized": True},
            accessors[1],
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 32, "byteStride": 8},
            {"buffer": 0, "byteOffset": 32, "byteLength": 24},
        ],
        "buffers": [{"byteLength": 56}],
    }
    sparse_accessor = accessors[0] | {
        "sparse": {
            "count": 1,
            "indices": {"bufferView": 2, "componentType": 5121},
            "values": {"bufferView": 3},
        }
    }
    n = len(points) + len(indices)
    sparse = document | {
        "accessors": [sparse_accessor, accessors[1]],
        "bufferViews": [
            *views,
            {"buffer": 0, "byteOffset": n, "byteLength": 1},
            {"buffer": 0, "byteOffset": n + 4, "byteLength": 12},
        ],
        "buffers": [{"byteLength": n + 16}],
    }
    draco = {"extensions": {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}}
    packed = document | {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1} | draco]}]}
    binary = points + indices
    values = bytes(4) + np.array([5, 5, 5], "<f4").tobytes()
    return [
        glb(document, binary),
        glb(tree, binary),
        glb(strip, binary),
        glb(quantised, padded.tobytes() + indices),
        glb(sparse, binary + values),
        glb(packed, binary),
    ]


def glb_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """The JSON of a GLB, or its buffer, with corrected lengths."""
    (n,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + n]), data[28 + n :]
    if draw.random() < 0.8:
        (m,) = struct.unpack_from("<I", (other := draw.choice(others)), 12)
        document = json_mutated(document, draw, [json.loads(other[20 : 20 + m])])
    else:
        binary = numbers_mutated("<")(binary, draw, others)
    return glb_of(json_text(document, draw), binary)


def offs() -> list[bytes]:
    rows = "".join(f"{x:g} {y:g} {z:g}\n" for x, y, z in VERTICES)
    faces = "".join(f"3 {a} {b} {c}\n" for a, b, c in FACES)
    cube = "".join(f"{x:g} {y:g} {z:g}\n" for x, y, z in CUBE) + "".join(
        "4 " + " ".join(map(str, q)) + "\n" for q in QUADS
    )
    coloured = "".join(f"{x:g} {y:g} {z:g} 255 0 0 255\n" for x, y, z in VERTICES)
    made = [f"OFF\n4 4 6\n{rows}{faces}", f"OFF 8 6 12\n# comment\n\n{cube}", f"COFF\n4 4 0\n{coloured}{faces}"]
    return [text.encode() for text in made]


def clouds() -> list[bytes]:
    """Text: spaces, commas with a header, semicolons, tabs, comments, colours."""
    angles = np.arange(12)
    normals = np.stack([np.cos(angles), np.sin(angles), np.cos(3 * angles)], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    table = np.concatenate([2 * normals + 1, normals], axis=1)

    def text(separator: str, head: str = "", more: str = "") -> bytes:
        return (head + "".join(separator.join(f"{v:.4f}" for v in row) + more + "\n" for row in table)).encode()

    return [
        text(" "),
        text(",", "x,y,z,nx,ny,nz\n"),
        text(";"),
        text("\t", "# comment\n"),
        text(" ", "12\n"),
        text(" ", "", " 255 0 0"),
    ]


def cloud_plys() -> list[bytes]:
    rows = [row.split() for row in clouds()[0].decode().splitlines()]
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    head = f"ply\nformat {{}} 1.0\nelement vertex {len(rows)}\n{names}end_header\n"
    body = np.array(rows, np.float64)
    text = head.format("ascii") + "".join(" ".join(row) + "\n" for row in rows)
    little, big = head.format("binary_little_endian"), head.format("binary_big_endian")
    return [text.encode(), little.encode() + body.astype("<f4").tobytes(), big.encode() + body.astype(">f4").tobytes()]


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def cloud_npys() -> list[bytes]:
    table = np.array([row.split() for row in clouds()[0].decode().splitlines()], np.float64)
    return [npy(table), npy(table.astype(np.float32)), npy(np.asfortranarray(table))]


def arrays() -> list[bytes]:
    made = [
        npy(np.arange(24).reshape(shape).astype(dtype))
        for shape, dtype in (((24,), "i2"), ((4, 6), "f4"), ((2, 3, 4), "u1"))
    ]
    return [*made, npy(np.arange(6) > 2), npy(np.asfortranarray(np.ones((3, 4), ">f8"))), npy(np.ones((2, 2), "f2"))]


def archives() -> list[bytes]:
    made = []
    for write in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        write(out, first=np.arange(6.0), second=np.ones((2, 3), np.int16))
        made.append(out.getvalue())
    return made


def ply_mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """The header as text; the body as text or numbers."""
    at = data.index(b"end_header")
    at = data.index(b"\n", at) + 1
    head, body = data[:at], data[at:]
    if draw.random() < 0.5:
        words = (
            b"char",
            b"uchar",
            b"short",
            b"int",
            b"uint",
            b"float",
            b"double",
            b"list uchar int",
            b"list float int",
            b"list",
        )
        head = draw.choice(
            (
                lambda: text_mutated(head, draw, others),
                lambda: re.sub(rb"(?<=property )\w+", lambda m: draw.choice((m[0], draw.choice(words))), head),
                lambda: re.sub(
                    rb"(?<=format )\w+", draw.choice((b"ascii", b"binary_little_endian", b"binary_big_endian")), head
                ),
            )
        )()
        return head + body
    is_text = b"format ascii" in head
    return head + (text_mutated(body, draw, [body]) if is_text else numbers_mutated("<")(body, draw, others))


def solid(name: str, seeds: Callable[[], list[bytes]], mutated: Mutator, cpu_s: float = Target.cpu_s) -> None:
    """Add the target of a mesh format, named after its suffix."""
    read = reading(f".{name}", "shape", FEW, whole_in=50, in_part=read_mesh)
    add(Target(name, seeds, read, mutated, cost_ms=5.0, follows=FOLLOWED, cpu_s=cpu_s))


def cloud(
    name: str, suffix: str, seeds: Callable[[], list[bytes]], mutated: Mutator, follows: tuple[str, ...] = ()
) -> None:
    """Add the target of a format of point clouds. Most are opened without distances, which are slow to prepare."""
    read = reading(suffix, "points", whole_in=200, in_part=opened_by_points_alone)
    add(Target(name, seeds, read, mutated, cost_ms=8.0, follows=follows, cpu_s=MESH_CPU_S))


def opened_by_points_alone(source: Source) -> Signal:
    return load_signal(source, "points", {"method": "eikonal"})


text = mostly(text_mutated, share=0.85)
solid("obj", objs, text, MESH_CPU_S)
solid("ply", plys, mostly(ply_mutated), MESH_CPU_S)
solid("stl", stls, mostly(text, numbers_mutated("<"), 0.6))
solid("glb", glbs, mostly(glb_mutated, share=0.9))
solid("off", offs, text, MESH_CPU_S)
cloud("points", ".xyz", clouds, text, FOLLOWED)
cloud("points-ply", ".ply", cloud_plys, mostly(ply_mutated), FOLLOWED)
cloud("points-npy", ".npy", cloud_npys, mostly(npy_mutated))
add(Target("npy", arrays, reading(".npy", "array"), mostly(npy_mutated), cost_ms=1.0, follows=("inr.signals.array",)))
add(Target("npz", archives, reading(".npz", "array"), mostly(zip_mutated(mostly(npy_mutated))), cost_ms=1.5))
