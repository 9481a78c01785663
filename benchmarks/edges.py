"""Sharp edges of fits and meshes: `python benchmarks/edges.py FOLDER [--record edges]`, with fandisk.obj in FOLDER.

`inr fit` with its defaults, `inr eval` against the mesh, then `inr mesh --resolution N` by each method. Rows have, in
lattice cells: `rounding`, what `inr eval` calls edge_rounding; `edge_gap`, the mean distance of points on the sharp
edges of the input to the extracted mesh, and its 95 % quantile; `distance`, the mean distance of the extracted mesh to
the input. Crossings are pairs of faces.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import igl
import numpy as np
import trimesh
from _inr import inr_json
from _record import save

from inr.fitting import Fit

SHARP_DEG = 30


def edge_points(mesh: Any, n: int = 20_000) -> np.ndarray[Any, Any]:
    """Points [N, 3] on the sharp edges of a mesh, uniform by length."""
    ends = mesh.vertices[mesh.face_adjacency_edges[mesh.face_adjacency_angles > np.radians(SHARP_DEG)]]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    rng = np.random.default_rng(0)
    of = rng.choice(len(ends), n, p=length / length.sum())
    return np.asarray(ends[of, 0] + rng.random((n, 1)) * (ends[of, 1] - ends[of, 0]))


def far(points: Any, mesh: Any) -> np.ndarray[Any, Any]:
    """Distances of points to a mesh."""
    vertices, faces = np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces)
    found: np.ndarray[Any, Any] = np.sqrt(
        np.maximum(igl.point_mesh_squared_distance(np.asarray(points), vertices, faces)[0], 0)
    )
    return found


def rows_of(path: Path, args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    truth: Any = trimesh.load_mesh(path, process=True)
    model = folder / "m.safetensors"
    _, seconds = inr_json("fit", path, "-o", model)
    evaluated, _ = inr_json("eval", model, path)
    metrics = evaluated["models"][0]["metrics"]
    points, cell = edge_points(truth), Fit.load(model).frame.scale[0] / args.resolution
    rows = []
    for method in args.methods:
        out = folder / f"{method}.ply"
        made, _ = inr_json("mesh", model, "-o", out, "--resolution", args.resolution, "--method", method, "--check")
        mesh: Any = trimesh.load_mesh(out, process=False)
        gap, away = far(points, mesh) / cell, far(trimesh.sample.sample_surface(mesh, 50_000, seed=0)[0], truth) / cell
        rows.append(
            {
                "shape": path.stem,
                "method": method,
                "resolution": args.resolution,
                "cell": cell,
                "iou": metrics["iou"],
                "rounding": metrics["edge_rounding"] / cell,
                "edge_gap": float(gap.mean()),
                "edge_gap_p95": float(np.quantile(gap, 0.95)),
                "distance": float(away.mean()),
                "faces": made["n_faces"],
                "is_sound": all(made["check"][k] for k in ("is_closed", "is_edge_manifold", "is_vertex_manifold")),
                "crossings": made["check"]["n_crossings"],
                "fit_s": seconds,
                "remark": args.remark,
            }
        )
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", nargs="+", default=["fandisk"], help="names of OBJ files")
    parser.add_argument("--methods", nargs="+", default=["cubes", "nets", "dual"])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="inr-edges-") as folder:
        for shape in args.shapes:
            rows += rows_of(args.folder / f"{shape}.obj", args, Path(folder))
    if args.record:
        save(args.record, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
