"""What `inr fit` says to open surfaces: `python benchmarks/openings.py FOLDER [--record openings]`.

Made shapes (a ball, the ball without 5 % of its surface, half of it, a sheet, two parallel sheets) and the meshes of
FOLDER that are closed, whole and with three holes of about 0.3 % of their faces each, are written as PLY and given to
`inr fit` for two steps. A row has the answer: "closed" without a note on openings, "3 holes" with one, "doubtful" with
one on a large opening, "open" if it is refused, with the advice `--kind unsigned`. Exits with 1 if one is not as
expected.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from _record import save
from open_surfaces import patch

HOLE = 0.003  # share of the faces


def made() -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Names, meshes, and the answers that are right."""
    ball = trimesh.creation.icosphere(4)
    height = ball.triangles_center[:, 2]
    yield "ball", ball, ("closed",)
    yield "ball without 5 %", kept(ball, height < 0.9), ("1 hole",)
    yield "half a ball", kept(ball, height > 0), ("open",)
    sheet = trimesh.Trimesh(*patch(lambda u, v: (u, v, 0.05 * np.sin(5 * u)), 19, 19), process=False)
    yield "sheet", sheet, ("open",)
    below = sheet.copy()
    below.invert()
    below.apply_translation((0, 0, -0.1))
    yield "two sheets", trimesh.util.concatenate([sheet, below]), ("open", "doubtful")


def kept(mesh: Any, which: Any) -> Any:
    found = trimesh.Trimesh(mesh.vertices, mesh.faces[which], process=False)
    found.remove_unreferenced_vertices()
    return found


def with_holes(mesh: Any) -> Any:
    """Without the faces around three places far from one another."""
    which = np.ones(len(mesh.faces), dtype=bool)
    neighbours = trimesh.graph.neighbors(mesh.face_adjacency, len(mesh.faces))
    places = mesh.triangles_center
    away = np.linalg.norm(places - places[places[:, 0].argmax()], axis=1)
    for _ in range(3):
        start = int(away.argmax())
        away = np.minimum(away, np.linalg.norm(places - places[start], axis=1))
        hole = {start}
        while len(hole) < HOLE * len(mesh.faces):
            hole |= {int(other) for face in hole for other in neighbours[face]}
        which[list(hole)] = False
    return kept(mesh, which)


def answer(path: Path) -> tuple[str, str]:
    """The class of what `inr fit` says, and its words."""
    words = ("--steps", "2", "--set", "signal.points=4096", "--no-progress", "-f", "--threads", "1")
    model = path.with_suffix(".safetensors")
    done = subprocess.run(["inr", "fit", str(path), "-o", str(model), *words], capture_output=True, text=True)
    said = " ".join(done.stderr.split())
    if done.returncode in (2, 3) and "open" in said and "--kind unsigned" in said and not model.exists():
        return "open", said
    if done.returncode:
        return f"exit {done.returncode}", said
    holes = re.search(r"not watertight \(open at \d+ edges of (\d+ holes?)\)", said)
    return "doubtful" if "large opening" in said else "closed" if holes is None else holes[1], said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="meshes without openings, as OBJ")
    parser.add_argument("--record")
    parser.add_argument("--remark", default="", help="kept in every row of the record")
    words = parser.parse_args()
    cases = list(made())
    for path in sorted(words.folder.glob("*.obj")):
        mesh: Any = trimesh.load_mesh(path)
        if mesh.is_watertight:
            cases += [(path.stem, mesh, ("closed",)), (f"{path.stem} with three holes", with_holes(mesh), ("3 holes",))]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, mesh, right in cases:
            path = Path(place) / "shape.ply"
            path.with_suffix(".safetensors").unlink(missing_ok=True)
            mesh.export(path)
            given, said = answer(path)
            rows.append(
                {
                    "shape": name,
                    "answer": given,
                    "right": list(right),
                    "is_right": given in right,
                    "remark": words.remark,
                }
            )
            print(f"{name:30} {given:10} {'' if given in right else f'expected {right}: {said[:300]}'}", flush=True)
    if words.record:
        print(save(words.record, rows))
    sys.exit(not all(row["is_right"] for row in rows))


if __name__ == "__main__":
    main()
