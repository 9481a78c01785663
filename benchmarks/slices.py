"""Solids from their cross-sections: `python benchmarks/slices.py [FOLDER] [--record slices]`, with meshes in FOLDER.

A torus of radii 0.5 and 0.2 is cut by 15 random planes that meet it, and by 8 parallel ones along two axes; a
stack of voxels of 1 x 1 x 4 holds two labelled ellipsoids; meshes of FOLDER are cut by 40 parallel planes. Then `inr
fit` and `inr eval` against the true mesh are called with their default settings. Rows have the IoU with the true solid,
that on the given planes (`slice_iou`, of the fit), and the time of the fit: on the clock, and of all threads together.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _inr import inr_json
from _record import save

from inr.signals.files.csl import ContourPlane, csl_text

Plane = tuple[Any, float]


def cut(mesh: Any, planes: list[Plane]) -> str:
    """The sections of a mesh as CSL; planes: unit normals [3] and offsets."""
    found = []
    for normal, offset in planes:
        path = mesh.section(plane_origin=np.asarray(normal) * offset, plane_normal=normal)
        rings = () if path is None else tuple((1, np.asarray(ring)[:-1]) for ring in path.discrete)
        found.append(ContourPlane(np.asarray(normal, np.float64), offset, rings))
    return csl_text(found)


def random_planes(mesh: Any, n: int) -> list[Plane]:
    """Planes in random directions that meet a mesh around the origin."""
    rng = np.random.default_rng(0)
    found: list[Plane] = []
    while len(found) < n:
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        offset = float(rng.uniform(-0.35, 0.35))
        heights = mesh.vertices @ normal - offset
        if heights.min() < 0 < heights.max():
            found.append((normal, offset))
    return found


def parallel_planes(mesh: Any, axis: int, n: int) -> list[Plane]:
    """n planes across an axis, in the middle of n layers of the mesh."""
    low, high = mesh.bounds[:, axis]
    return [(np.eye(3)[axis], float(low + (k + 0.5) / n * (high - low))) for k in range(n)]


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Any:
    mesh = trimesh.creation.icosphere(subdivisions=5)
    mesh.apply_transform(np.diag([*radii, 1.0]))
    mesh.apply_translation(centre)
    return mesh


def cases(folder: Path | None, place: Path) -> Iterator[tuple[str, Any, Path, list[str]]]:
    """Names, true meshes, files of slices, and options of `inr fit`."""
    torus: Any = trimesh.creation.torus(0.5, 0.2, major_sections=192, minor_sections=96)
    stacks: list[tuple[str, Any, list[Plane]]] = [
        ("torus, 15 random planes", torus, random_planes(torus, 15)),
        ("torus, 8 planes across its axis", torus, parallel_planes(torus, 2, 8)),
        ("torus, 8 planes along its axis", torus, parallel_planes(torus, 0, 8)),
    ]
    for path in sorted(folder.glob("*.obj")) if folder is not None else []:
        mesh: Any = trimesh.load_mesh(path)
        stacks.append((f"{path.stem}, 40 planes", mesh, parallel_planes(mesh, 1, 40)))
    for number, (name, mesh, planes) in enumerate(stacks):
        file = place / f"{number}.csl"
        file.write_text(cut(mesh, planes))
        yield name, mesh, file, []
    solids = [((20, 22, 32), (13, 11, 18)), ((42, 40, 30), (12, 14, 20))]
    at = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in (64, 64, 16)], indexing="ij"), axis=-1) * [1, 1, 4]
    labels = np.zeros(at.shape[:3], np.uint8)
    for label, (centre, radii) in enumerate(solids, 1):
        labels[(((at - centre) / radii) ** 2).sum(axis=-1) < 1] = label
    file = place / "labels.npy"
    np.save(file, labels)
    for label, (centre, radii) in enumerate(solids, 1):
        words = ["--kind", "slices", "--set", f"signal.label={label}", "--set", "signal.spacing=1,1,4"]
        yield f"two labels, label {label}", ellipsoid(centre, radii), file, words


def row_of(name: str, mesh: Any, file: Path, words: list[str], place: Path, remark: str) -> dict[str, Any]:
    model, truth = place / "m.safetensors", place / "truth.ply"
    mesh.export(truth)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    fitted, seconds = inr_json("fit", file, *words, "-o", model, "--force")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    evaluated, _ = inr_json("eval", model, truth)
    metrics = evaluated["models"][0]["metrics"]
    size = float(np.ptp(mesh.bounds, axis=0).max())
    return {
        "case": name,
        "iou": metrics["iou"],
        "slice_iou": fitted["metrics"]["slice_iou"],
        "chamfer_per_size": metrics["chamfer"] / size,
        "fit_s": seconds,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "remark": remark,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", default="", help="cases whose names have this text")
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="inr-slices-") as folder:
        place = Path(folder)
        for name, mesh, file, words in cases(args.folder, place):
            if args.only not in name:
                continue
            row = row_of(name, mesh, file, words, place, args.remark)
            rows.append(row)
            print(
                f"{name:32s} IoU {row['iou']:.4f}  on the planes {row['slice_iou']:.4f}  "
                f"{row['fit_s']:.0f} s, {row['cpu_s']:.0f} s of CPU",
                flush=True,
            )
            if args.record:
                save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
