"""Bytes against Chamfer distance and IoU of compressed shapes: `python benchmarks/rd_shape.py MESH [--record NAME]`.

    pip install DracoPy==2.2.0

The mesh is compressed by `inr compress` to every size, decompressed to a mesh by a separate process, and compared with
the original; beside it the mesh itself, its vertices rounded, as gzipped PLY and by Draco (where DracoPy is installed),
with all its faces and decimated (quadric error) to fewer. Sizes are read from the disk.

Chamfer: half of the two mean distances, from 2^15 points of each surface to the other's triangles, over the diagonal
of the bounding box. IoU: of the insides, on 2^16 uniform points in the bounding box x 1.05.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _inr import inr
from _record import newest_rows, save

from inr.signals import Source
from inr.signals.files.meshes import read_mesh
from inr.signals.metrics import iou, point_to_mesh
from inr.signals.shape import Shape

N_SURFACE, N_INSIDE = 2**15, 2**16
SIZES = (8000, 16000, 32000, 64000)
PLY_BITS = (8, 10, 12)
DRACO = ((None, 8), (None, 10), (None, 12), (50000, 11), (20000, 10), (10000, 10), (5000, 9))
"""Faces that are left, bits per coordinate."""

Vertices = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]
Mesh = tuple[Vertices, Faces]


def arrays(path: str | Path) -> Mesh:
    """Vertices and faces of a mesh file."""
    found = read_mesh(Source.of(path))
    return found.vertices, found.faces


class Yardstick:
    """The original mesh, and the measures of decoded ones against it."""

    def __init__(self, vertices: Vertices, faces: Faces) -> None:
        self.shape = Shape.of_mesh(vertices, faces)
        self.mesh = self.shape.mesh
        low, high = self.mesh[0].min(axis=0), self.mesh[0].max(axis=0)
        self.diagonal = float(np.linalg.norm(high - low))
        random = np.random.default_rng(0)
        self.points = (low + high) / 2 + (high - low) * 1.05 * (random.random((N_INSIDE, 3)) - 0.5)
        self.is_inside = self._inside(self.shape)
        self.surface = self._surface(self.shape, 0)

    def quality(self, vertices: Vertices, faces: Faces) -> dict[str, float]:
        """chamfer, in diagonals, and iou."""
        other = Shape.of_mesh(vertices, faces, sign="winding")
        there = point_to_mesh(self._surface(other, 1), *self.mesh)
        back = point_to_mesh(self.surface, *other.mesh)
        return {
            "chamfer": 0.5 * float(there.mean() + back.mean()) / self.diagonal,
            "iou": iou(self._inside(other), self.is_inside),
            "n_faces": len(other.mesh[1]),
        }

    def _inside(self, shape: Shape) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray(shape.distance(shape.frame.domain.to_unit(torch.from_numpy(self.points)))[:, 0] < 0)

    @staticmethod
    def _surface(shape: Shape, seed: int) -> Vertices:
        points = shape.solid.surface(N_SURFACE, torch.Generator().manual_seed(seed))
        return shape.frame.domain.from_unit(torch.from_numpy(points)).numpy()


def of_inr(path: Path, size: int, profile: str, effort: int, yard: Yardstick, folder: Path) -> dict[str, Any]:
    """The row of a target size, by a profile."""
    packed, shown = folder / "packed.inrz", folder / "shown.ply"
    words = ["--size", size, "--profile", profile, "--effort", effort, "--force"]
    encode_s = inr("compress", path, "-o", packed, *words)
    decode_s = inr("decompress", packed, "-o", shown, "--force")
    return {
        "codec": f"inr {profile}",
        "setting": f"{size} B",
        "effort": effort,
        "size_bytes": packed.stat().st_size,
        **yard.quality(*arrays(shown)),
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def of_mesh(
    codec: str,
    setting: str,
    encode: Callable[[], bytes],
    decode: Callable[[bytes], Mesh],
    yard: Yardstick,
    folder: Path,
) -> dict[str, Any]:
    """The row of a mesh codec: `decode` reads only the file on the disk."""
    start = time.perf_counter()
    packed = folder / "packed"
    packed.write_bytes(encode())
    encode_s = time.perf_counter() - start
    start = time.perf_counter()
    mesh = decode(packed.read_bytes())
    decode_s = time.perf_counter() - start
    return {
        "codec": codec,
        "setting": setting,
        "size_bytes": packed.stat().st_size,
        **yard.quality(*mesh),
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def to_ply(mesh: Mesh, bits: int | None) -> bytes:
    """Gzipped binary PLY: float32 vertices, or their multiples of 2^-bits of the largest extent as uint16."""
    vertices, faces = mesh
    low, extent = vertices.min(0), float(np.ptp(vertices, axis=0).max())
    if bits is None:
        kind, numbers, comment = "float", vertices.astype("<f4"), ""
    else:
        kind, numbers = "ushort", np.rint((vertices - low) / extent * (2**bits - 1)).astype("<u2")
        comment = f"comment {' '.join(map(repr, map(float, low)))} {extent / (2**bits - 1)!r}\n"
    header = (
        f"ply\nformat binary_little_endian 1.0\n{comment}element vertex {len(vertices)}\n"
        + "".join(f"property {kind} {axis}\n" for axis in "xyz")
        + f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.zeros(len(faces), [("n", "u1"), ("corners", "<i4", 3)])
    rows["n"], rows["corners"] = 3, faces
    return gzip.compress(header.encode() + numbers.tobytes() + rows.tobytes(), 9, mtime=0)


def from_ply(data: bytes) -> Mesh:
    """The mesh of `to_ply`, with the scale from its comment."""
    import io

    import trimesh

    plain = gzip.decompress(data)
    mesh: Any = trimesh.load_mesh(io.BytesIO(plain), file_type="ply", process=False)
    vertices = np.asarray(mesh.vertices, np.float64)
    comment = next(
        (line for line in plain.split(b"end_header", 1)[0].splitlines() if line.startswith(b"comment")), None
    )
    if comment is not None:
        x, y, z, step = map(float, comment.split()[1:])
        vertices = vertices * step + np.array([x, y, z])
    return vertices, np.asarray(mesh.faces, np.int64)


def mesh_codecs(mesh: Mesh, yard: Yardstick, folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of PLY and Draco."""
    import igl

    for bits in (None, *PLY_BITS):
        setting = "float32" if bits is None else f"{bits} bits"
        yield of_mesh("PLY, gzip", setting, functools.partial(to_ply, mesh, bits), from_ply, yard, folder)
    try:
        import DracoPy
    except ImportError:
        print("Draco: DracoPy is not installed")
        return

    def from_draco(data: bytes) -> Mesh:
        found = DracoPy.decode(data)
        return np.asarray(found.points, np.float64), np.asarray(found.faces, np.int64)

    for n_faces, bits in DRACO:
        vertices, faces = mesh
        if n_faces is not None:
            vertices, faces = (part for part in igl.qslim(*mesh, n_faces) if np.ndim(part) == 2)
        encode = functools.partial(
            DracoPy.encode, vertices, faces.astype(np.uint32), quantization_bits=bits, compression_level=10
        )
        setting = f"{bits} bits" + ("" if n_faces is None else f", {n_faces:,} faces")
        yield of_mesh("Draco" if n_faces is None else "Draco, decimated", setting, encode, from_draco, yard, folder)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Chamfer distance and 1 - IoU over bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    measures: list[tuple[str, Callable[[dict[str, Any]], float]]] = [
        ("Chamfer / diagonal", lambda row: row["chamfer"]),
        ("1 - IoU", lambda row: 1 - row["iou"]),
    ]
    for i, (label, value) in enumerate(measures):
        axes = figure.add_subplot(1, 2, i + 1)
        for name in dict.fromkeys(row["codec"] for row in rows):
            own = sorted((row for row in rows if row["codec"] == name), key=lambda row: row["size_bytes"])
            style = {"lw": 2.2} if name.startswith("inr") else {"lw": 1.2, "ls": "--"}
            axes.plot(
                [r["size_bytes"] / 1000 for r in own], [value(r) for r in own], marker="o", ms=3, label=name, **style
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("kB")
        axes.set_ylabel(label)
        axes.grid(visible=True, which="both", lw=0.3)
        if i == 0:
            axes.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="bytes, with commas")
    parser.add_argument("--profiles", default="grids,weights", help="with commas; empty: mesh codecs alone")
    parser.add_argument("--effort", type=int, default=5)
    parser.add_argument("--record", help="keep the rows under this name, and go on with those it has")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file")
    given = parser.parse_args()
    mesh = arrays(given.mesh)
    yard = Yardstick(*mesh)
    rows = newest_rows(given.record) if given.record else []

    def keep(row: dict[str, Any]) -> None:
        print(json.dumps(row), flush=True)
        rows.append(row)
        if given.record:
            save(given.record, rows)

    with tempfile.TemporaryDirectory() as folder:
        if not any(row["codec"].startswith("PLY") for row in rows):
            for row in mesh_codecs(yard.mesh, yard, Path(folder)):
                keep(row)
        for profile in filter(None, given.profiles.split(",")):
            for size in map(int, given.sizes.split(",")):
                same = (f"inr {profile}", f"{size} B", given.effort)
                if not any((row["codec"], row["setting"], row.get("effort")) == same for row in rows):
                    keep(of_inr(given.mesh, size, profile, given.effort, yard, Path(folder)))
    if given.plot is not None:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
