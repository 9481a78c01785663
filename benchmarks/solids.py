"""Solids of several parts, thin ones, and some with inverted faces: `python benchmarks/solids.py [--record solids]`.

    python benchmarks/solids.py --only union flat --steps 300 --effort 1

Each solid is written as a PLY; then `inr fit` and `inr mesh`, and `inr compress` and `inr decompress`, as a user would
call them, with their default settings unless others are given. The surfaces of the mesh are counted (a cavity's apart)
and its volume is compared with the closed form of the written polyhedron. A row is correct with the expected count and
a volume within 1 %. Exits with 1 if one is not.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _inr import inr_json
from _record import save

TOLERANCE = 0.01
AWAY = 0.8
LENS = math.pi / 12 * (4 + AWAY) * (2 - AWAY) ** 2
BALL = 4 / 3 * math.pi


@dataclasses.dataclass(frozen=True)
class Solid:
    """parts: as written into one file. n_surfaces: of the mesh."""

    parts: list[trimesh.Trimesh]
    volume: float
    n_surfaces: int = 1


def ball(radius: float = 1.0, x: float = 0.0) -> trimesh.Trimesh:
    """A polyhedron with the volume of the ball."""
    made = trimesh.creation.icosphere(subdivisions=4)
    made.apply_scale(radius * (BALL / made.volume) ** (1 / 3))
    made.apply_translation((x, 0, 0))
    return made


def box(*sides: float, x: float = 0.0) -> trimesh.Trimesh:
    made = trimesh.creation.box(sides)
    made.apply_translation((x, 0, 0))
    return made


def turned(made: trimesh.Trimesh, share: float = 1.0) -> trimesh.Trimesh:
    """A share of the faces, chosen at random, wound the other way."""
    chosen = np.random.default_rng(0).random(len(made.faces)) < share
    faces = np.where(chosen[:, None], made.faces[:, ::-1], made.faces)
    return trimesh.Trimesh(made.vertices, faces, process=False)


def slanted(made: trimesh.Trimesh) -> trimesh.Trimesh:
    made.apply_transform(trimesh.transformations.rotation_matrix(0.7, (1, 2, 3)))
    return made


def _torus() -> Solid:
    made = trimesh.creation.torus(1.0, 0.1, major_sections=256, minor_sections=64)
    return Solid([made], float(made.volume))


def _round_rod() -> Solid:
    made = slanted(trimesh.creation.cylinder(0.5, 50, sections=64))
    return Solid([made], float(made.volume))


SOLIDS: dict[str, Callable[[], Solid]] = {
    "union": lambda: Solid([ball(), ball(x=AWAY)], 2 * BALL - LENS),
    "union, opposite windings": lambda: Solid([ball(), turned(ball(x=AWAY))], 2 * BALL - LENS),
    "box with a rod": lambda: Solid(
        [box(2, 2, 2), trimesh.creation.cylinder(0.5, 4, sections=128)], 8 + 2 * 64 * 0.25 * math.sin(math.pi / 64)
    ),
    "touching": lambda: Solid([box(1, 1, 1), box(1, 1, 1, x=1)], 2),
    "nested": lambda: Solid([ball(), ball(0.5)], BALL),
    "hollow": lambda: Solid([ball(), turned(ball(0.5))], BALL * 7 / 8, 2),
    "doubled": lambda: Solid([ball(), ball()], BALL),
    "mixed winding": lambda: Solid([turned(ball(), 0.25)], BALL),
    "apart": lambda: Solid([ball(), ball(x=3)], 2 * BALL, 2),
    "flat 20:1": lambda: Solid([box(20, 20, 1)], 400),
    "flat 100:1": lambda: Solid([box(100, 100, 1)], 10000),
    "flat ring": _torus,
    "long 20:1": lambda: Solid([box(20, 1, 1)], 20),
    "long 100:1": lambda: Solid([box(100, 1, 1)], 100),
    "long 50:1, round, slanted": _round_rod,
}


def measured(path: Path, solid: Solid) -> dict[str, Any]:
    mesh: Any = trimesh.load_mesh(path, process=False)
    error = float(mesh.volume) / solid.volume - 1
    n = int(mesh.body_count)
    return {
        "n_surfaces": n,
        "expected": solid.n_surfaces,
        "volume_error": error,
        "is_right": n == solid.n_surfaces and abs(error) <= TOLERANCE,
    }


def fitted(source: Path, shown: Path, args: argparse.Namespace) -> dict[str, Any]:
    model = source.with_name("m.safetensors")
    made, fit_s = inr_json("fit", source, "-o", model, "--force", *given("--steps", args.steps))
    meshed, mesh_s = inr_json("mesh", model, "-o", shown, "--force")
    details = {"iou": made["metrics"]["iou"], "resolution": meshed["resolution"]}
    return {"way": "fit, mesh", **details, "seconds": fit_s + mesh_s}


def compressed(source: Path, shown: Path, args: argparse.Namespace) -> dict[str, Any]:
    file = source.with_name("a.inrz")
    made, there_s = inr_json("compress", source, "-o", file, "--force", *given("--effort", args.effort))
    _, back_s = inr_json("decompress", file, "-o", shown, "--force")
    details = {"iou": made["metrics"]["iou"], "bytes": file.stat().st_size}
    return {"way": "compress, decompress", **details, "seconds": there_s + back_s}


WAYS = {"fit": fitted, "compress": compressed}


def given(option: str, value: int | None) -> list[object]:
    return [] if value is None else [option, value]


def rows_of(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Writes one solid, and measures its mesh by each command."""
    solid, rows = SOLIDS[name](), []
    with tempfile.TemporaryDirectory(prefix="inr-solids-") as folder:
        source, shown = Path(folder) / "in.ply", Path(folder) / "out.ply"
        trimesh.util.concatenate(solid.parts).export(source)
        for way in args.ways:
            made = WAYS[way](source, shown, args)
            rows.append({"solid": name, **made, **measured(shown, solid), "remark": args.remark})
            print(line(rows[-1]), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['solid']:26s}  {row['way']:20s}  IoU {row['iou']:.4f}  {row['n_surfaces']:3d} of {row['expected']}  "
        f"volume {100 * row['volume_error']:+6.2f} %  {'right' if row['is_right'] else 'WRONG':5s}  "
        f"{row['seconds']:5.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="solids whose name begins so, in this order")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--steps", type=int, help="of the fit, in place of the default")
    parser.add_argument("--effort", type=int, help="of compress, in place of the default")
    parser.add_argument("--jobs", type=int, default=1, help="solids at work at a time; the seconds then mean little")
    parser.add_argument("--record", metavar="NAME", help="write records/DATE-NAME.json")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    args = parser.parse_args()
    names = list(SOLIDS) if args.only is None else [n for o in args.only for n in SOLIDS if n.startswith(o)]
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for done in as_completed([pool.submit(rows_of, name, args) for name in dict.fromkeys(names)]):
            rows += done.result()
            rows.sort(key=lambda row: list(SOLIDS).index(row["solid"]))
            if args.record:  # at every row, so that a stopped run keeps its results
                save(args.record, rows)
    return 0 if all(row["is_right"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
