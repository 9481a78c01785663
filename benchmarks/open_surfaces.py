"""Open surfaces, fitted and meshed: `python benchmarks/open_surfaces.py FOLDER [--record NAME] [--exact]`.

Surfaces made by formulas are fitted with the defaults of kind `unsigned` (or --steps) and meshed: an open hemisphere,
a Moebius strip, a folded sheet, three sheets that meet, and a shirt with four openings; and three on which no constant
was chosen: a saddle with a hole, a tube that is cut aslant at both ends, and a star with ten corners. Measured are
boundaries, orientability, the distance to the surface and that of the boundaries, in lattice cells. --exact meshes the
exact distances instead of a fit. FOLDER gets a picture of each mesh.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import save
from PIL import Image

from inr.fitting import Run, resolve
from inr.mesh import Mesh, mesh_of_fit, picture
from inr.mesh.open_surface import extract_open
from inr.mesh.surface_metrics import boundary_hausdorff, points_on
from inr.signals import metrics as measures
from inr.signals.unsigned import Unsigned

Array = np.ndarray[Any, np.dtype[Any]]
Surface = tuple[Array, Array]

_SAMPLES = 2**15


def patch(f: Callable[[Array, Array], tuple[Array, Array, Array]], nu: int, nv: int) -> Surface:
    """A surface (x, y, z) of u and v in [0, 1], as triangles."""
    u, v = np.meshgrid(np.linspace(0, 1, nu + 1), np.linspace(0, 1, nv + 1), indexing="ij")
    i = np.arange(u.size).reshape(u.shape)
    corners = i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]
    faces = [np.stack([corners[k] for k in t], axis=-1).reshape(-1, 3) for t in ((0, 1, 2), (0, 2, 3))]
    return np.stack(np.broadcast_arrays(*f(u, v)), axis=-1).reshape(-1, 3), np.concatenate(faces)


def together(*parts: Surface) -> Surface:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    faces = [faces + start for (_, faces), start in zip(parts, starts, strict=False)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces)


def hemisphere() -> Surface:
    def at(u: Array, v: Array) -> tuple[Array, Array, Array]:
        a, b = np.pi / 2 * u, 2 * np.pi * v
        return np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)

    return patch(at, 64, 256)


def moebius() -> Surface:
    def at(u: Array, v: Array) -> tuple[Array, Array, Array]:
        t, w = 2 * np.pi * u, 0.8 * (v - 0.5)
        around = 1 + w * np.cos(t / 2)
        return around * np.cos(t), around * np.sin(t), w * np.sin(t / 2)

    return patch(at, 256, 16)


def folded() -> Surface:
    return patch(lambda u, v: (np.minimum(2 * u, 1), v, np.maximum(2 * u - 1, 0)), 32, 16)


def half_plane(angle: float) -> Surface:
    return patch(lambda u, v: (u * np.cos(angle), u * np.sin(angle), v), 8, 8)


def junction() -> Surface:
    angles = 2 * np.pi / 3 * np.arange(3)
    return together(*(half_plane(float(a)) for a in angles))


def shirt() -> Surface:
    """A union of an elliptic trunk and two sleeves, hollow, with openings at neck, waist and both sleeves."""
    from skimage.measure import marching_cubes

    n = 192
    at = np.linspace(-1.3, 1.3, n)
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    trunk = np.sqrt((x / 0.5) ** 2 + (y / 0.28) ** 2) - 1 - 0.12 * z - 0.5 * np.clip(z - 0.55, 0, 1)
    trunk += 4 * np.clip(z - 0.6, 0, 1) ** 2  # shoulders, up to the neck
    s = 0.75 * np.abs(x) + 0.66 * (z - 0.35)  # along a sleeve
    t = 0.75 * (z - 0.35) - 0.66 * np.abs(x)
    sleeves = np.sqrt((t + 0.33) ** 2 + y**2) / 0.17 - 1 + np.where(np.abs(x) < 0.25, 5, 0)
    sleeves = np.maximum(sleeves, -10 * s)
    k = 0.3
    h = np.clip(k - np.abs(trunk - sleeves), 0, None)
    body = np.minimum(trunk, sleeves) - h * h / (4 * k)
    vertices, faces, _, _ = marching_cubes(body, 0, spacing=(at[1] - at[0],) * 3)
    vertices += at[0]
    middle = vertices[faces].mean(axis=1)
    inside = (np.abs(middle[:, 2]) < 0.85) & (np.abs(middle[:, 0]) < 0.85)
    kept = faces[inside]
    used, number = np.unique(kept, return_inverse=True)
    return vertices[used], number.reshape(-1, 3)


def saddle() -> Surface:
    def at(u: Array, v: Array) -> tuple[Array, Array, Array]:
        r, a = 0.3 + 0.7 * u, 2 * np.pi * v
        x, y = r * np.cos(a), r * np.sin(a)
        return x, y, 0.5 * (x * x - y * y)

    return patch(at, 24, 192)


def tube() -> Surface:
    def at(u: Array, v: Array) -> tuple[Array, Array, Array]:
        a = 2 * np.pi * v
        low, high = -0.8 + 0.35 * np.cos(a), 0.8 + 0.3 * np.sin(a)
        return 0.5 * np.cos(a), 0.5 * np.sin(a), low + (high - low) * u

    return patch(at, 48, 128)


def star() -> Surface:
    """A bowl with a border of straight lines, between corners at radii 1 and 0.5."""
    angle, radius = np.pi / 5 * np.arange(11), np.where(np.arange(11) % 2, 0.5, 1.0)

    def at(u: Array, v: Array) -> tuple[Array, Array, Array]:
        x, y = (u * np.interp(10 * v, np.arange(11), radius * way) for way in (np.cos(angle), np.sin(angle)))
        return x, y, 0.3 * (x * x + y * y)

    return patch(at, 32, 160)


SURFACES: dict[str, Callable[[], Surface]] = {
    "hemisphere": hemisphere, "moebius": moebius, "folded": folded, "junction": junction, "shirt": shirt,
    "saddle": saddle, "tube": tube, "star": star,
}  # fmt: skip


def measured(signal: Unsigned, resolution: int, steps: int | None, *, is_exact: bool) -> tuple[dict[str, Any], Mesh]:
    """A row of the record, and the mesh. Lengths are in lattice cells."""
    start = time.process_time()
    row: dict[str, Any] = {}
    if is_exact:
        sheet = signal.sheet
        found = extract_open(
            lambda x: torch.from_numpy(sheet.distance(x.double().numpy())).float(), resolution=resolution
        )
        found = found.in_units(dataclasses.replace(signal.frame, softening=0.0))
    else:
        run = Run(signal, *resolve(signal, "hash_grid", {} if steps is None else {"steps": steps}))
        fit = run.result(run.advance())
        row |= {"fit_cpu_s": round(time.process_time() - start, 1), "steps": fit.steps}
        row |= {name: value * resolution / signal.meta["side"] for name, value in fit.metrics.items()}
        start = time.process_time()
        found = mesh_of_fit(fit, resolution)
    row |= {"mesh_cpu_s": round(time.process_time() - start, 1), "faces": len(found.faces)}
    assert found.open is not None
    row |= {**dataclasses.asdict(found.open), "is_closed": found.is_closed, "n_components": found.n_components}
    vertices, faces = signal.mesh
    true, cell = Mesh(vertices, faces), signal.meta["side"] / resolution
    generator = torch.Generator().manual_seed(0)
    away = measures.point_to_mesh(points_on(found, _SAMPLES, generator)[0], vertices, faces)
    back = measures.point_to_mesh(points_on(true, _SAMPLES, generator)[0], found.vertices, found.faces)
    ends = rim_of(found)
    own = rim_of(true)
    away_rim = nearest(ends, own)
    row |= {"chamfer": (away.mean() + back.mean()) / 2 / cell, "hausdorff": max(away.max(), back.max()) / cell}
    row |= {"rim_mean": away_rim.mean() / cell, "rim_p95": np.quantile(away_rim, 0.95) / cell}
    rim = boundary_hausdorff(found, true)
    row["rim_hausdorff"] = None if rim is None else rim / cell
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}, found


def rim_of(mesh: Mesh) -> Array:
    """The segments [E, 2, 3] of the boundary."""
    sides = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(sides, axis=0, return_counts=True)
    return np.asarray(mesh.vertices[edges[count == 1]])


def nearest(segments: Array, others: Array) -> Array:
    """Distances from the middles of segments to others, each cut in 32 pieces."""
    t = np.linspace(0, 1, 33)[:, None, None]
    points = (others[:, 0] + t * (others[:, 1] - others[:, 0])).reshape(-1, 3)
    return measures.nearest(segments.mean(axis=1), points)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--only", nargs="+", choices=SURFACES, default=list(SURFACES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    words.folder.mkdir(parents=True, exist_ok=True)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]  # no face lies along the lattice
    rows = []
    for name in words.only:
        vertices, faces = SURFACES[name]()
        signal = Unsigned.of_mesh(vertices @ turn.T, faces.astype(np.int64))
        row, mesh = measured(signal, words.resolution, words.steps, is_exact=words.exact)
        rows.append({"surface": name, "is_exact": words.exact, "resolution": words.resolution, **row})
        print(rows[-1], flush=True)
        views = [picture(mesh, 480, azimuth_deg=angle) for angle in (30.0, 210.0)]
        Image.fromarray(np.concatenate(views, axis=1)).save(words.folder / f"{name}{'-exact' * words.exact}.png")
    if words.record:
        print(save(words.record, rows))


if __name__ == "__main__":
    main()
