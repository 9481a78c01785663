"""Mesh files made byte by byte, in the dialects that programs write, for tests of the readers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from inr.signals import Source
from inr.signals.files.meshes import MeshData, read_mesh

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]

BOX = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 2.0) for z in (0.0, 3.0)])
BOX_FACES = np.array(
    [1, 3, 0, 4, 1, 0, 0, 3, 2, 2, 4, 0, 1, 7, 3, 5, 1, 4, 5, 7, 1, 3, 7, 2, 6, 4, 2, 2, 7, 6, 6, 5, 4, 7, 5, 6]
).reshape(-1, 3)


def read(name: str, data: bytes) -> MeshData:
    """The result of the reader for `name`, from some bytes."""
    return read_mesh(Source(name, data=data))


def triangles(mesh: MeshData) -> Floats:
    """Corners [F, 3, 3]."""
    found: Floats = mesh.vertices[mesh.faces]
    return found


def text(lines: list[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


# --- OBJ ---


def obj_lines(vertices: Floats, faces: Faces, corner: str = "{0}", more: str = "") -> list[str]:
    """corner: a face's corner, {0} is the vertex index; more: text after a position."""
    lines = ["v " + " ".join(map(repr, v)) + more for v in vertices.tolist()]
    return lines + ["f " + " ".join(corner.format(i + 1) for i in f) for f in faces.tolist()]


def obj_relative(vertices: Floats, faces: Faces) -> bytes:
    """Each face behind vertices of its own, named backwards from its line; a vertex of no face at the end."""
    lines = []
    for face in faces.tolist():
        lines += ["v " + " ".join(map(repr, vertices[i].tolist())) for i in face] + ["f -3 -2 -1"]
    return text([*lines, "v 9 9 9"])


def obj_dialects(vertices: Floats, faces: Faces) -> Iterator[tuple[str, bytes]]:
    plain = obj_lines(vertices, faces)
    textured = obj_lines(vertices, faces, "{0}/1/1")
    yield "plain", text(plain)
    yield "crlf", text(plain, "\r\n")
    yield "cr", text(plain, "\r")
    yield "no last line end", text(plain)[:-1]
    yield "tabs", text([line.replace(" ", "\t") for line in plain])
    yield "indented", text(["   " + line.replace(" ", "  ") + "  " for line in plain])
    yield "bom", b"\xef\xbb\xbf" + text(plain)
    yield "utf-16", text(plain).decode().encode("utf-16")
    yield "latin-1", b"# Gr\xf6\xdfe in \xb5m\no T\xe4sse\n" + text(plain)
    yield "comments", text([line + " # 1 2 3" for line in plain] + ["# C:\\models\\"])
    yield "comment that ends in a backslash", text(["# C:\\models\\", "mtllib C:\\models\\", *plain])
    yield (
        "continued",
        text([line.replace(" ", " \\\n ", 1) if i % 2 else line.replace(" ", " \\\n") for i, line in enumerate(plain)]),
    )
    yield "weights", text(obj_lines(vertices, faces, more=" 1.0"))
    yield "colours", text(obj_lines(vertices, faces, more=" 0.5 0.25 1"))
    yield "textures", text(["vt 0 0", "vn 0 0 1", *textured])
    yield "normals", text(["vn 0 0 1", *obj_lines(vertices, faces, "{0}//1")])
    yield "textures alone", text(["vt 0 0", *obj_lines(vertices, faces, "{0}/1")])
    yield "mixed", text(["vt 0 0", "vn 0 0 1", *textured[: len(vertices) + 1], *plain[len(vertices) + 1 :]])
    yield "other lines", text(["mtllib gone.mtl", "s off", "g a b", *plain, "p 1", "l 1 2", "end"])
    yield "faces first", text(plain[len(vertices) :] + plain[: len(vertices)])
    yield "relative", obj_relative(vertices, faces)


# --- STL ---


def stl_binary(vertices: Floats, faces: Faces, header: bytes = b"", normal: float = 0.0) -> bytes:
    record = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    record["corners"], record["normal"] = vertices[faces], normal
    return header.ljust(80, b"\0") + struct.pack("<I", len(faces)) + record.tobytes()


def stl_lines(vertices: Floats, faces: Faces, name: str = "part") -> list[str]:
    lines = [f"solid {name}"]
    for corners in vertices[faces].tolist():
        lines += ["facet normal 0 0 1", "outer loop"]
        lines += ["vertex " + " ".join(map(repr, corner)) for corner in corners]
        lines += ["endloop", "endfacet"]
    return [*lines, f"endsolid {name}"]


def stl_dialects(vertices: Floats, faces: Faces) -> Iterator[tuple[str, bytes]]:
    lines = stl_lines(vertices, faces)
    binary = stl_binary(vertices, faces)
    half = len(faces) // 2
    yield "binary", binary
    yield "binary that begins solid", stl_binary(vertices, faces, b"solid facet normal")
    yield "binary with colours", stl_binary(vertices, faces, b"COLOR=\xff\x00\x00\xff")
    yield "binary with bytes behind", binary + b"padding"
    yield "binary with zeros behind", binary + bytes(300)
    yield "binary, two files in one", stl_binary(vertices, faces[:half]) + stl_binary(vertices, faces[half:])
    yield "binary without normals", stl_binary(vertices, faces, normal=np.nan)
    yield "ascii", text(lines)
    yield "ascii, crlf", text(lines, "\r\n")
    yield "ascii, cr", text(lines, "\r")
    yield "ascii, indented", text(["\t " + line.replace(" ", "  ") for line in lines])
    yield "ascii, capitals", text([line.upper() for line in lines])
    yield "ascii, no last line end", text(lines)[:-1]
    yield "ascii, latin-1 name", b"solid T\xe4sse\n" + text(lines[1:-1]) + b"endsolid T\xe4sse\n"
    yield "ascii, name of keywords", text(stl_lines(vertices, faces, "solid vertex endfacet"))
    yield "ascii, odd normals", text(lines).replace(b"normal 0 0 1", b"normal -nan(ind) nan 1.#QNAN")
    yield "ascii, in one line", " ".join(lines).encode()
    yield "ascii, two solids", text(stl_lines(vertices, faces[:half], "a") + stl_lines(vertices, faces[half:], "b"))
    yield "ascii, no first line", text(lines[1:])
    yield "ascii, bom", b"\xef\xbb\xbf" + text(lines)


# --- PLY ---


def ply(
    vertices: Floats,
    faces: list[list[int]],
    form: str = "binary_little_endian",
    *,
    position: str = "float",
    count: str = "uchar",
    index: str = "int",
    extra: bool = False,
    faces_first: bool = False,
    end: str = "\n",
) -> bytes:
    """extra: more properties, also lists, around the needed ones, and elements before and between."""
    letters = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"}
    letters |= {"float": "f", "double": "d", "int8": "b", "uint8": "B", "float32": "f", "float64": "d"}
    sign = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(form)

    def row(*values: tuple[str, Any]) -> bytes:
        if sign is None:
            return (" ".join(repr(value) for _, value in values) + end).encode()
        return b"".join(struct.pack(sign + letters[kind], value) for kind, value in values)

    def of_list(values: list[int]) -> list[tuple[str, Any]]:
        return [(count, len(values)), *((index, value) for value in values)]

    tail: list[tuple[str, Any]] = [("uchar", 255), ("double", 0.5)] if extra else []
    uv: list[tuple[str, Any]] = []
    body_v = b"".join(row(*tail[:1], *((position, c) for c in v), *tail[1:]) for v in vertices.tolist())
    body_f = b""
    for i, face in enumerate(faces):
        uv = [("uchar", 2 * (i % 3)), *[("float", 0.25)] * (2 * (i % 3))] if extra else []
        body_f += row(*of_list(face), *uv, *tail)
    red = ["property uchar red"] if extra else []
    alpha = ["property double alpha"] if extra else []
    head_v = [f"element vertex {len(vertices)}", *red, *(f"property {position} {a}" for a in "xyz"), *alpha]
    head_f = [f"element face {len(faces)}", f"property list {count} {index} vertex_indices"]
    if extra:
        head_f += ["property list uchar float texcoord", *red, *alpha]
    parts = [(head_v, body_v), (head_f, body_f)]
    if faces_first:
        parts.reverse()
    if extra:
        of_tags: list[tuple[str, Any]] = [("uchar", 1), ("int", 3)]
        others = [
            ([f"element {name} 1", "property float x", "property list uchar int tags"], row(("float", 7.0), *of_tags))
            for name in ("camera", "light")
        ]
        parts = [others[0], parts[0], others[1], parts[1]]
    head = [
        "ply",
        f"format {form} 1.0",
        "comment made by a test",
        "obj_info 1",
        *(line for h, _ in parts for line in h),
    ]
    return text([*head, "end_header"], end) + b"".join(b for _, b in parts)


def ply_dialects(vertices: Floats, faces: Faces) -> Iterator[tuple[str, bytes]]:
    rows = faces.tolist()
    for form in ("ascii", "binary_little_endian", "binary_big_endian"):
        yield form, ply(vertices, rows, form)
        yield f"{form}, doubles", ply(vertices, rows, form, position="double", count="int", index="uint")
        yield f"{form}, sized names", ply(vertices, rows, form, position="float64", count="uint8", index="int8")
        yield f"{form}, shorts", ply(vertices, rows, form, count="ushort", index="short")
        yield f"{form}, more properties", ply(vertices, rows, form, extra=True)
        yield f"{form}, faces first", ply(vertices, rows, form, faces_first=True, count="uint", index="ushort")
        yield f"{form}, crlf", ply(vertices, rows, form, end="\r\n")
    yield "ascii, cr", ply(vertices, rows, "ascii", end="\r")
    yield "ascii, no last line end", ply(vertices, rows, "ascii")[:-1]


# --- OFF ---


def off(
    vertices: Floats,
    faces: list[list[int]],
    head: str = "OFF\n",
    behind: str = "",
    of_face: str = "",
    edges: str = " 0",
) -> list[str]:
    lines = f"{head}{len(vertices)} {len(faces)}{edges}".split("\n")
    lines += [" ".join(map(repr, v)) + behind for v in vertices.tolist()]
    return lines + [" ".join(map(str, [len(f), *f])) + of_face for f in faces]


def off_dialects(vertices: Floats, faces: Faces) -> Iterator[tuple[str, bytes]]:
    rows = faces.tolist()
    plain = off(vertices, rows)
    yield "plain", text(plain)
    yield "crlf", text(plain, "\r\n")
    yield "cr", text(plain, "\r")
    yield "no last line end", text(plain)[:-1]
    yield "counts beside", text(off(vertices, rows, "OFF "))
    yield "counts glued on", text(off(vertices, rows, "OFF"))
    yield "no keyword", text(off(vertices, rows, ""))
    yield "no edges", text(off(vertices, rows, edges=""))
    yield "comments", text(["# first", *(line + " # 1 2" for line in plain), "", "# last"])
    yield "colours", text(off(vertices, rows, "COFF\n", " 255 0 0 255"))
    yield "normals", text(off(vertices, rows, "NOFF\n", " 0 0 1"))
    yield "textures, colours, normals", text(off(vertices, rows, "STCNOFF\n", " 0 0 1 1 0 0 1 0.5 0.5"))
    yield "weights", text(off(2 * vertices, rows, "4OFF\n", " 2"))
    yield "three dimensions", text(off(vertices, rows, "nOFF 3\n"))
    yield "colours of faces", text(off(vertices, rows, of_face=" 0.5 0.5 0.5"))
    yield "one colour index", text(off(vertices, rows, of_face=" 7"))
    yield "tabs", text([line.replace(" ", "\t") for line in plain])
    yield "bom", b"\xef\xbb\xbf" + text(plain)


# --- GLB ---

_CODES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class Glb:
    """A glTF document and its binary chunk, filled array by array."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}
        self.binary = b""

    def view(self, data: bytes, **more: Any) -> int:
        self.binary += bytes(-len(self.binary) % 4)
        row = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **more}
        self.document["bufferViews"].append(row)
        self.binary += data
        return len(self.document["bufferViews"]) - 1

    def add(self, array: np.ndarray[Any, Any], stride: int = 0, **more: Any) -> int:
        """An accessor for an array [N, width]; stride: bytes from entry to entry, filled with rubbish."""
        array = np.ascontiguousarray(array).reshape(len(array), -1)
        data = array.tobytes()
        if stride:
            size = array.dtype.itemsize * array.shape[1]
            data = b"".join(data[i : i + size].ljust(stride, b"\x7f") for i in range(0, len(data), size))
        view = self.view(data, **({"byteStride": stride} if stride else {}))
        return self.accessor(len(array), array.shape[1], array.dtype.name, bufferView=view, **more)

    def accessor(self, count: int, width: int, code: str, **more: Any) -> int:
        row = {"componentType": _CODES[code], "count": count, "type": _KINDS[width], **more}
        self.document["accessors"].append(row)
        return len(self.document["accessors"]) - 1

    def show(self, *primitives: dict[str, Any], **node: Any) -> Glb:
        """One more mesh, and a node of the scene that shows it."""
        for table in ("meshes", "nodes"):
            self.document.setdefault(table, [])
        self.document["meshes"].append({"primitives": list(primitives)})
        self.document["nodes"].append({"mesh": len(self.document["meshes"]) - 1, **node})
        scene = self.document.setdefault("scenes", [{"nodes": []}])[0]
        scene["nodes"].append(len(self.document["nodes"]) - 1)
        return self

    def bytes(self, change: Callable[[dict[str, Any]], object] | None = None) -> bytes:
        self.document["buffers"] = [{"byteLength": len(self.binary)}, *self.document.get("buffers", [])[1:]]
        if change is not None:
            change(self.document)
        head = json.dumps(self.document).encode()
        head += b" " * (-len(head) % 4)
        body = self.binary + bytes(-len(self.binary) % 4)
        chunks = struct.pack("<I4s", len(head), b"JSON") + head + struct.pack("<I4s", len(body), b"BIN\0") + body
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def primitive(glb: Glb, vertices: Floats, faces: Faces | None, code: str = "uint16", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"attributes": {"POSITION": glb.add(vertices.astype(np.float32))}, **more}
    if faces is not None:
        made["indices"] = glb.add(faces.reshape(-1, 1).astype(code))
    return made


def glb_of(vertices: Floats, faces: Faces | None, **node: Any) -> Glb:
    glb = Glb()
    return glb.show(primitive(glb, vertices, faces), **node)


def glb_dialects(vertices: Floats, faces: Faces) -> Iterator[tuple[str, bytes]]:
    single = vertices.astype(np.float32)
    for code in ("uint8", "uint16", "uint32"):
        glb = Glb()
        yield f"indices of {code}", glb.show(primitive(glb, vertices, faces, code)).bytes()
    yield "no indices", glb_of(vertices[faces].reshape(-1, 3), None).bytes()
    glb = Glb()
    index = glb.add(faces.reshape(-1, 1).astype("uint16"))
    yield "strided", glb.show({"attributes": {"POSITION": glb.add(single, stride=24)}, "indices": index}).bytes()
    glb = Glb()
    wrong = single.copy()
    wrong[1:] += 5
    where, values = glb.view(np.arange(1, len(single), dtype="<u2").tobytes()), glb.view(single[1:].tobytes())
    sparse = {
        "count": len(single) - 1,
        "indices": {"bufferView": where, "componentType": 5123},
        "values": {"bufferView": values},
    }
    position = glb.add(wrong, sparse=sparse)
    index = glb.add(faces.reshape(-1, 1).astype("uint16"))
    yield "sparse", glb.show({"attributes": {"POSITION": position}, "indices": index}).bytes()
    glb = Glb()
    index = glb.add(faces.reshape(-1, 1).astype("uint16"))
    position = glb.accessor(0, 3, "float32")
    where, values = glb.view(np.arange(len(single), dtype="u1").tobytes()), glb.view(single.tobytes())
    glb.document["accessors"][position] |= {
        "count": len(single),
        "sparse": {
            "count": len(single),
            "indices": {"bufferView": where, "componentType": 5121},
            "values": {"bufferView": values},
        },
    }
    yield "sparse without a base", glb.show({"attributes": {"POSITION": position}, "indices": index}).bytes()
    glb = Glb()
    half = len(faces) // 2
    parts = [primitive(glb, vertices, part) for part in (faces[:half], faces[half:]) if len(part)]
    yield "two primitives", glb.show(*parts).bytes()
    yield "no scene", glb_of(vertices, faces).bytes(lambda d: d.pop("scenes"))
    yield "no nodes", glb_of(vertices, faces).bytes(lambda d: (d.pop("scenes"), d.pop("nodes")))
    yield "bytes behind", glb_of(vertices, faces).bytes() + b"\0\0\0\0"


DIALECTS: dict[str, Callable[[Floats, Faces], Iterator[tuple[str, bytes]]]] = {
    "obj": obj_dialects,
    "stl": stl_dialects,
    "ply": ply_dialects,
    "off": off_dialects,
    "glb": glb_dialects,
}
