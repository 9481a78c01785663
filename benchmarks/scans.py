"""Points without normals: `python benchmarks/scans.py FOLDER [--record scans]`, with meshes in FOLDER.

Each mesh is sampled uniformly by area, with noise across it or outliers, and written as an XYZ without normals. Then
`inr fit`, `inr eval` against the mesh, and `inr mesh` are called with their default settings. Rows have the IoU, the
mean distance between the surfaces in spacings of the points (`chamfer`), the parts of the mesh, and the time of the
fit: on the clock, and of all threads together.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _inr import inr_json
from _record import save

CASES = {"clean": (0.0, 0.0), "noise 0.5 %": (0.005, 0.0), "outliers 2 %": (0.0, 0.02)}


def sampled(mesh: trimesh.Trimesh, n: int, noise: float, outliers: float) -> np.ndarray[Any, Any]:
    """Points [N, 3]. noise: standard deviation along each axis, in diagonals. outliers: share, uniform in 1.2 boxes."""
    rng = np.random.default_rng(0)
    points = np.asarray(trimesh.sample.sample_surface(mesh, n, seed=0)[0])
    low, high = points.min(axis=0), points.max(axis=0)
    points = points + noise * float(np.linalg.norm(high - low)) * rng.normal(size=points.shape)
    stray = (low + high) / 2 + 1.2 * (rng.random((round(outliers * n), 3)) - 0.5) * (high - low)
    return np.concatenate([points, stray])


def row_of(path: Path, case: str, args: argparse.Namespace) -> dict[str, Any]:
    mesh: Any = trimesh.load_mesh(path)
    with tempfile.TemporaryDirectory(prefix="inr-scans-") as folder:
        scan, model = Path(folder) / "scan.xyz", Path(folder) / "m.safetensors"
        np.savetxt(scan, sampled(mesh, args.points, *CASES[case]), fmt="%.7g")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _, seconds = inr_json("fit", scan, "-o", model)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        evaluated, _ = inr_json("eval", model, path)
        meshed, _ = inr_json("mesh", model, "-o", Path(folder) / "m.ply", "--resolution", "256")
        surface: Any = trimesh.load_mesh(Path(folder) / "m.ply", process=False)
    metrics = evaluated["models"][0]["metrics"]
    spacing = float(np.sqrt(mesh.area / args.points))
    areas = sorted((float(part.area) for part in surface.split(only_watertight=False)), reverse=True)
    return {
        "shape": path.stem,
        "case": case,
        "points": args.points,
        "iou": metrics["iou"],
        "chamfer": metrics["chamfer"],
        "chamfer_per_spacing": metrics["chamfer"] / spacing,
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
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    rows = []
    for shape in args.shapes:
        for case in args.cases:
            rows.append(row_of(args.folder / f"{shape}.obj", case, args))
            row = rows[-1]
            print(
                f"{shape:10s} {case:13s} IoU {row['iou']:.4f}  distance {row['chamfer_per_spacing']:.3f} spacings  "
                f"{row['n_parts']} parts  {row['fit_s']:.0f} s, {row['cpu_s']:.0f} s of CPU",
                flush=True,
            )
            if args.record:
                save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
