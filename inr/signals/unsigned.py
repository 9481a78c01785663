"""Open surfaces: triangle meshes or point clouds with or without an inside, as distance functions without a sign."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import EmptyError
from inr.core.rules import positive
from inr.signals._cloud_file import OUTLIERS, read_scan
from inr.signals._described import Described
from inr.signals._distance import DistanceSignal, PointPool, cube_frame, evaluate_points
from inr.signals._meshes import cleaned
from inr.signals._signal import SIGNALS, Batch, Evaluate, Pool, Source
from inr.signals.files.meshes import read_mesh
from inr.signals.files.ply import has_faces
from inr.signals.files.reading import check_options
from inr.signals.files.sniffing import POINT_SUFFIXES
from inr.signals.solids.cloud_sheet import faces_of_cloud
from inr.signals.solids.cloud_solid import one_per_cell
from inr.signals.solids.distances import normal, uniform
from inr.signals.solids.faces import Faces, Floats
from inr.signals.solids.orient import joined_seams
from inr.signals.solids.scans import Scan
from inr.signals.solids.sheet import Sheet
from inr.signals.solids.solid_signal import DEFAULT_POINTS, n_points_of

SOFTENING = 2 / 256
"""tau of the training values, in lengths of the cube: two cells of the default mesh."""

NEAR = 0.01
"""Distance, in lengths of the cube, below which points are near the surface."""

_MOST, _CELLS = 2**18, 512  # points that are joined; cells along a side, of which others keep one point each

_TEST_POINTS = 2**16
_TEST_SEED = 0x5EED


@SIGNALS.register("unsigned")
class Unsigned(DistanceSignal):
    """A surface given by a triangle mesh or a point cloud, open or not, with values (distance >= 0) in mesh units.

    Faces may be wound in any way, cross, and meet in threes at an edge. The domain is that of shapes. With the distance
    w in lengths of the cube, a field is trained on z = w^2 / (w + tau), tau = 1/128: smooth at the surface, where w has
    a kink that no field can hold. Options: `points` (training points, default 2^20).

    Points (PLY without faces, XYZ, CSV, NPY ...) are joined by triangles, see `faces_of_cloud`, after outliers are left
    out and noise is smoothed; normals of the file are not needed and not used. Options: `outliers`, `noise`, as for
    points. The surface ends at its last points. Of more than 2^18 points one in each of 512^3 cells is taken.
    """

    kind: ClassVar[str] = "unsigned"
    noun: ClassVar[str] = "open surface"
    is_unsigned: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = (".obj", ".ply", ".stl", ".glb", ".off", *POINT_SUFFIXES, ".npy")
    unclaimed: ClassVar[tuple[str, ...]] = extensions
    described: ClassVar[Described] = Described(
        d_in=(3, 3), d_out=(1, 1), is_lattice=False, meta={"side": positive(1e-30), "softening": positive(1e-30, 1.0)}
    )
    loss: ClassVar[str] = "mape"
    headline: str = "near_mae"

    def __init__(
        self,
        sheet: Sheet,
        frame: Frame,
        meta: dict[str, Any],
        notes: tuple[str, ...] = (),
        n_points: int = DEFAULT_POINTS,
    ) -> None:
        """sheet: in the frame's unit box. meta: goes into the model file; must have `side`, that of the cube.

        n_points: how many samples to train on.
        """
        self.sheet, self.frame, self.meta, self.notes = sheet, frame, meta, notes
        self.n_points = n_points
        self.spec = Spec("unsigned", 3, 1)

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        n_points = n_points_of(options)
        is_cloud = source.suffix in (*POINT_SUFFIXES, ".npy") or (source.suffix == ".ply" and not has_faces(source))
        if is_cloud:
            check_options("unsigned", options, {"points": None, "outliers": OUTLIERS, "noise": None})
            scan, notes = read_scan(source, options)
            signal = cls.of_scan(scan, n_points=n_points, name=source.name)
        else:
            check_options("unsigned", options, {"points": None})
            found = read_mesh(source)
            signal = cls.of_mesh(found.vertices, found.faces, n_points=n_points, name=source.name)
            notes = tuple(f"{source.name}: {note}" for note in found.notes)
        signal.notes = (*notes, *signal.notes)
        return signal

    @classmethod
    def of_mesh(cls, vertices: Floats, faces: Faces, *, n_points: int = DEFAULT_POINTS, name: str = "mesh") -> Self:
        """A surface from vertices [V, 3] and faces [F, 3]. Raises UnreadableError as `cleaned` does."""
        signal = cls._of_faces(vertices, faces, n_points, name)
        notes = []
        if not signal.meta["n_boundary_edges"]:
            notes.append(f"{name}: it is closed; without `kind=unsigned` the fit would know its inside")
        if n := signal.meta["n_nonmanifold_edges"]:
            notes.append(f"{name}: {n} {'edge has' if n == 1 else 'edges have'} more than two faces")
        signal.notes = tuple(notes)
        return signal

    @classmethod
    def of_scan(cls, scan: Scan, *, n_points: int = DEFAULT_POINTS, name: str = "scan") -> Self:
        """The surface through the points of a scan. Raises EmptyError if no three of them are near each other."""
        points, normals = scan.points, scan.normals
        if len(points) > _MOST:
            low, side = points.min(axis=0), float(np.ptp(points, axis=0).max())
            chosen = one_per_cell((points - low) / side, _CELLS)
            points, normals = points[chosen], normals[chosen]
        faces = faces_of_cloud(points, normals)
        if not len(faces):
            raise EmptyError(f"{name}: no three of its {len(points)} points are near each other, expected a surface")
        signal = cls._of_faces(points, faces, n_points, name)
        signal.meta["n_points"] = len(scan.points)
        spacing = f"spacing {scan.spacing:.3g}, noise {scan.noise:.2g}"
        signal.notes = (f"{name}: {len(faces)} triangles join its {len(points)} points ({spacing})",)
        return signal

    @classmethod
    def _of_faces(cls, vertices: Floats, faces: Faces, n_points: int, name: str) -> Self:
        mesh = joined_seams(cleaned(vertices, faces, f"surface {name!r}"))
        frame = cube_frame(mesh.vertices)
        frame = Frame(frame.domain, frame.offset, frame.scale, SOFTENING)
        side = frame.scale[0]
        sheet = Sheet((mesh.vertices - np.array(frame.domain.low)) / side, mesh.faces)
        meta = {
            "side": side,
            "softening": SOFTENING,
            "n_vertices": len(mesh.vertices),
            "n_faces": len(mesh.faces),
            "n_degenerate": mesh.n_degenerate,
            "n_duplicate": mesh.n_duplicate,
            "n_joined": mesh.n_joined,
            "n_boundary_edges": len(sheet.rim),
            "n_loops": sheet.n_loops,
            "n_nonmanifold_edges": sheet.n_forks,
        }
        return cls(sheet, frame, meta, (), n_points)

    def distance(self, x: Tensor) -> Tensor:
        """True distances [N, 1] in mesh units at unit-box points [N, 3]."""
        d = self.sheet.distance(x.detach().cpu().double().numpy()) * self.meta["side"]
        return torch.from_numpy(d)[:, None].to(x)

    @property
    def mesh(self) -> tuple[Floats, Faces]:
        """Vertices [V, 3] in mesh units and faces [F, 3] of the cleaned mesh."""
        return self.sheet.vertices * self.meta["side"] + np.array(self.frame.domain.low), self.sheet.faces

    def pool(self, generator: Generator) -> Pool:
        """`n_points` samples: 1/8 on the surface, 4/8 near it, 1/8 near its boundary, 2/8 uniform in the cube.

        Near: a point of the surface + N(0, s^2) per axis, s log-uniform between 1/2048 and 1/32 of the bounding box's
        diagonal; of the boundary, which samples of the surface almost never meet, between 1/1024 and 1/64. A surface
        without a boundary has points near the surface in their place.
        """
        n_surface, n_rim, n_uniform = self.n_points // 8, self.n_points // 8, self.n_points // 4
        if not len(self.sheet.rim):
            n_rim = 0
        n_near = self.n_points - n_surface - n_rim - n_uniform
        on_surface = self.sheet.surface(n_surface, generator)
        near = self._around(self.sheet.surface(n_near, generator), 1 / 2048, 1 / 32, generator)
        rim = self._around(self.sheet.boundary(n_rim, generator), 1 / 1024, 1 / 64, generator)
        off = np.clip(np.concatenate([near, rim, uniform(n_uniform, 3, generator)]), 0, 1).astype(np.float32)
        x = torch.from_numpy(np.concatenate([on_surface.astype(np.float32), off]))
        d = np.zeros((len(x), 1))
        d[n_surface:, 0] = self.sheet.distance(off.astype(np.float64)) * self.meta["side"]
        return PointPool(Batch(x, self.frame.to_field(torch.from_numpy(d)).float()))

    def _around(self, points: Floats, low: float, high: float, generator: Generator) -> Floats:
        diagonal = float(np.linalg.norm(self.sheet.high - self.sheet.low))
        sigma = diagonal * low * (high / low) ** uniform(len(points), 1, generator)
        found: Floats = points + sigma * normal(len(points), 3, generator)
        return found

    @cached_property
    def _test_points(self) -> tuple[Tensor, Tensor, Tensor]:
        """Uniform points of the cube, points within `NEAR` of the surface, and points on the boundary."""
        generator = torch.Generator().manual_seed(_TEST_SEED)
        shell = self.sheet.surface(_TEST_POINTS, generator) + NEAR * (2 * uniform(_TEST_POINTS, 3, generator) - 1)
        shell = np.clip(shell, 0, 1)
        shell = shell[self.sheet.distance(shell) < NEAR]
        rim = self.sheet.boundary(_TEST_POINTS // 4, generator)
        everywhere = uniform(_TEST_POINTS, 3, generator)
        one, two, three = (torch.from_numpy(x.astype(np.float32)) for x in (everywhere, shell, rim))
        return one, two, three

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """near_mae, distance_mae, surface_mae, boundary_mae, in mesh units, on fixed points of another seed.

        near_mae: mean |u - d| over points with distance d below 1 % of the cube's side; distance_mae: over uniform
        points of the cube; surface_mae: mean u on the surface; boundary_mae: on its boundary, if it has one.
        """
        everywhere, near, rim = self._test_points
        surface = self.sheet.surface(_TEST_POINTS, torch.Generator().manual_seed(_TEST_SEED + 1))
        found = {
            "near_mae": self._error(evaluate, near),
            "distance_mae": self._error(evaluate, everywhere),
            "surface_mae": self._error(evaluate, torch.from_numpy(surface.astype(np.float32))),
        }
        return {**found, "boundary_mae": self._error(evaluate, rim)} if len(rim) else found

    def _error(self, evaluate: Evaluate, x: Tensor) -> float:
        true = self.distance(x.double()).numpy()[:, 0]
        return float(np.mean(np.abs(evaluate_points(evaluate, x) - true))) if len(x) else math.nan
