"""Points without normals: `python benchmarks/scans.py FOLDER [--poisson-python PYTHON] [--record scans]`.

FOLDER has the meshes. Each is sampled uniformly by area, with noise across it or outliers, and written as an XYZ
without normals. Then `inr fit`, `inr eval` against the mesh, and `inr mesh` are called with their default settings.
Rows have the IoU of `inr eval`, on uniform points (standard error 0.002 where it is 0.96), the IoU of the mesh along
columns (`iou_of_mesh`), the mean distance between the surfaces in spacings of the points (`chamfer`), the parts of the
mesh, and the time of the fit: on the clock, and of all threads together.

`--poisson-python VENV/bin/python` compares with screened Poisson of pymeshlab in that interpreter
(`python3 -m venv VENV && VENV/bin/pip install pymeshlab==2025.7`), at depth 9 with its defaults otherwise. It is given
the same points with their TRUE normals, those of the triangles that they were drawn from. `to_surface` is the mean
distance from points on a mesh, uniform by area, to the true surface, and `peer_to_surface` that of Poisson's mesh.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _columns import iou_of_meshes
from _inr import inr_json
from _record import save

from inr.signals.metrics import point_to_mesh

CASES = {"clean": (0.0, 0.0), "noise 0.5 %": (0.005, 0.0), "outliers 2 %": (0.0, 0.02)}


DEPTH, N_MEASURED = 9, 2**15
Array = np.ndarray[Any, Any]


def sampled(mesh: trimesh.Trimesh, n: int, noise: float, outliers: float, seed: int = 0) -> tuple[Array, Array]:
    """Points [N, 3], and the true normals of the n that are no outliers.

    noise: standard deviation along each axis, in diagonals. outliers: share, uniform in 1.2 boxes.
    """
    rng = np.random.default_rng(seed)
    points, faces = map(np.asarray, trimesh.sample.sample_surface(mesh, n, seed=seed))
    low, high = points.min(axis=0), points.max(axis=0)
    points = points + noise * float(np.linalg.norm(high - low)) * rng.normal(size=points.shape)
    stray = (low + high) / 2 + 1.2 * (rng.random((round(outliers * n), 3)) - 0.5) * (high - low)
    return np.concatenate([points, stray]), np.asarray(mesh.face_normals[faces])


def between(mesh: Any, truth: Any) -> tuple[float, float]:
    """Mean distance from a mesh to the true surface; and half of the sum of it and the one back (Chamfer)."""
    there, back = (
        float(point_to_mesh(trimesh.sample.sample_surface(a, N_MEASURED, seed=1)[0], b.vertices, b.faces).mean())
        for a, b in ((mesh, truth), (truth, mesh))
    )
    return there, (there + back) / 2


def poisson(python: Path, points: Array, normals: Array, folder: Path) -> Any:
    """The mesh of screened Poisson. Raises CalledProcessError if that interpreter has no pymeshlab."""
    given, written = folder / "cloud.npz", folder / "poisson.ply"
    np.savez(given, points=points, normals=normals)
    child = Path(__file__).with_name("_poisson.py")
    subprocess.run([python, child, given, written, str(DEPTH)], check=True, stdout=subprocess.DEVNULL)
    return trimesh.load_mesh(written)


def row_of(path: Path, case: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    mesh: Any = trimesh.load_mesh(path)
    with tempfile.TemporaryDirectory(prefix="inr-scans-") as folder:
        scan, model = Path(folder) / "scan.xyz", Path(folder) / "m.safetensors"
        points, normals = sampled(mesh, args.points, *CASES[case], seed)
        np.savetxt(scan, points, fmt="%.7g")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [word for text in args.set for word in ("--set", text)]
        _, seconds = inr_json("fit", scan, "-o", model, *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        evaluated, _ = inr_json("eval", model, path)
        meshed, _ = inr_json("mesh", model, "-o", Path(folder) / "m.ply", "--resolution", "256")
        surface: Any = trimesh.load_mesh(Path(folder) / "m.ply", process=False)
        to_surface, both = between(surface, mesh)
        compared = {}
        if args.poisson_python and len(points) == len(normals):
            theirs, their_both = between(poisson(args.poisson_python, points, normals, Path(folder)), mesh)
            compared = {
                "peer_to_surface": theirs,
                "peer_ratio": to_surface / theirs,
                "peer_ratio_chamfer": both / their_both,
            }
    metrics = evaluated["models"][0]["metrics"]
    spacing = float(np.sqrt(mesh.area / args.points))
    areas = sorted((float(part.area) for part in surface.split(only_watertight=False)), reverse=True)
    return {
        "shape": path.stem,
        "case": case,
        "seed": seed,
        "set": args.set,
        "points": args.points,
        "iou": metrics["iou"],
        "iou_of_mesh": iou_of_meshes(surface, mesh),
        "chamfer": metrics["chamfer"],
        "chamfer_per_spacing": metrics["chamfer"] / spacing,
        "to_surface": to_surface,
        **compared,
        "n_parts": len(areas),
        "largest_part": areas[0] / sum(areas),
        "is_closed": bool(meshed["is_closed"]),
        "fit_s": seconds,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "remark": args.remark,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", nargs="+", default=["armadillo", "bunny"], help="names of OBJ files")
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the points and their noise")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the fit")
    parser.add_argument("--poisson-python", type=Path, metavar="PYTHON", help="interpreter that has pymeshlab")
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    rows = []
    for shape, case, seed in itertools.product(args.shapes, args.cases, args.seeds):
        row = row_of(args.folder / f"{shape}.obj", case, seed, args)
        rows.append(row)
        peer = ""
        if "peer_ratio" in row:
            peer = f"  {row['peer_ratio']:.3f} x Poisson (both ways {row['peer_ratio_chamfer']:.3f})"
        print(
            f"{shape:10s} {case:13s} {seed}  IoU {row['iou']:.4f}, of the mesh {row['iou_of_mesh']:.4f}  "
            f"distance {row['chamfer_per_spacing']:.3f} spacings  "
            f"{row['n_parts']} parts  {row['fit_s']:.0f} s, {row['cpu_s']:.0f} s of CPU{peer}",
            flush=True,
        )
        if args.record:
            save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
