"""Estimated normals of scans: `python benchmarks/scan_normals.py FOLDER [--record scan-normals]`.

FOLDER has the meshes; the torus of radii 1 and 0.4 is made. Each is sampled at 20 000 points: uniformly by area, clean
and with noise; with ten times as many points per area at one end as at the other; and with 2 % of outliers.
`right_side` is the share of the points that are kept whose normal and that of the nearest triangle point to the same
side. `noted` is the number of outliers that the estimate leaves out, `outliers` the number that were added.
`same_in_any_order`: the result of the points in another order has the same bits.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _record import save
from scans import sampled

from inr.signals.solids.scans import estimated

CASES = {"clean": (0.0, 0.0), "noise 0.5 %": (0.005, 0.0), "density 1:10": (0.0, 0.0), "outliers 2 %": (0.0, 0.02)}
Array = np.ndarray[Any, Any]


def right_side(points: Array, normals: Array, mesh: Any) -> float:
    import igl

    vertices, faces = (np.ascontiguousarray(a) for a in (mesh.vertices, mesh.faces))
    nearest = igl.point_mesh_squared_distance(np.ascontiguousarray(points), vertices, faces)[1]
    return float(np.mean(np.einsum("nd,nd->n", normals, mesh.face_normals[nearest]) > 0))


def mesh_of(folder: Path, shape: str) -> Any:
    if shape == "torus":
        return trimesh.creation.torus(1.0, 0.4, major_sections=192, minor_sections=96)
    return trimesh.load_mesh(folder / f"{shape}.obj")


def row_of(mesh: Any, shape: str, case: str, n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    noise, outliers = CASES[case]
    if case == "density 1:10":
        points = sampled(mesh, 4 * n, 0.0, 0.0, seed)[0]
        along = (points[:, 1] - points[:, 1].min()) / np.ptp(points[:, 1])
        weight = 10.0**-along
        points = points[rng.choice(len(points), n, replace=False, p=weight / weight.sum())]
    else:
        points = sampled(mesh, n, noise, outliers, seed)[0]
    start = time.process_time()
    scan = estimated(points)
    seconds = time.process_time() - start
    again = estimated(points[rng.permutation(len(points))])
    return {
        "shape": shape,
        "case": case,
        "points": n,
        "seed": seed,
        "right_side": right_side(scan.points, scan.normals, mesh),
        "clear": scan.share,
        "outliers": len(points) - n,
        "noted": scan.n_outliers,
        "same_in_any_order": np.array_equal(scan.normals, again.normals),
        "cpu_s": round(seconds, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--shapes", nargs="+", default=["torus", "armadillo", "bunny"], help="torus, or names of OBJ files"
    )
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    args = parser.parse_args()
    rows = []
    for shape in args.shapes:
        mesh = mesh_of(args.folder, shape)
        for case in CASES:
            rows.append(row_of(mesh, shape, case, args.points, args.seed))
            print(rows[-1], flush=True)
    if args.record:
        save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
