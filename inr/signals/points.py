"""Point clouds: points on a surface, to be fitted as a signed distance function.

A closed cloud is fitted as the solid that it bounds, by distances, as meshes are. An open one has no inside: it is
fitted by the Eikonal loss, which needs no distances. Outward normals that are missing are estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import InrError, UnreadableError, UsageError
from inr.core.text import count_of
from inr.signals._cloud_file import KEEP_ALL, is_bare, is_solid, options_of_clouds, read_cloud, read_scan
from inr.signals._distance import DistanceSignal, PointPool, cube_frame, evaluate_points
from inr.signals._signal import SIGNALS, Batch, Evaluate, Pool, Signal, Source
from inr.signals.files import ply as _ply
from inr.signals.files.reading import check_options
from inr.signals.files.sniffing import POINT_SUFFIXES
from inr.signals.solids.cloud_mesh import FEWEST, FINEST, CloudBoundary, mesh_of_cloud
from inr.signals.solids.cloud_solid import CloudSolid, distinct, merged, without_strays
from inr.signals.solids.clouds import Cloud
from inr.signals.solids.distances import MeshSolid, Solid
from inr.signals.solids.faces import Floats
from inr.signals.solids.indicators import INDICATORS
from inr.signals.solids.solid_signal import DEFAULT_POINTS, SolidSignal, n_points_of

_TEST_POINTS = 2**15
_TEST_SEED = 0x5EED
_STEP = 1e-3
_COARSE = 1.25  # cells of the finest lattice in spacings, beyond which a mesh is coarser than the points
_NOTED = 0.01  # share of a surface without points from which there is a note
_GAP = 0.045  # between the points and the walls of their cube, in its lengths


@SIGNALS.register("points")
class Points(DistanceSignal):
    """Points: PLY without faces, text lines "x y z nx ny nz" or "x y z" of any dialect, or .npy of shape [N, 6 or 3].

    Columns are recognised by their names if the file has them, else normals by their length. The domain is a cube
    around the points, as for shapes. A .npy is an array unless the kind is given.

    A cloud that closes a volume is opened as a `ClosedCloud`, whose distances are calculated from the points. Any other
    is trained by the Eikonal loss, on samples of value 0 with a unit normal. Options: `method=eikonal` does so with a
    closed cloud too; `method=poisson` and `method=gauss` take the distances of a mesh through the points, the zero set
    of the spectral Poisson indicator or of the winding number (default `auto`: Poisson's for estimated
    normals, unless clean points are closer than the mesh is fine). `method=heat` trains without normals by the loss of
    HotSpot, see `BarePoints`.
    `orient=keep` leaves normals that point inwards as they are, so that the inside is around the points, and trains by
    the Eikonal loss (default `auto`: those of a closed cloud are turned over, with a note). `points`: training samples
    of a closed cloud, default 2^20.

    Points without normals must be those of a closed surface; see `estimated` for how normals are found, and a note
    says how sure they are. `normals`: given (those of the file, an error if it has none), estimate (even if it has
    some); default `auto`: as given, else estimated. `outliers=keep` leaves out no points and no small parts, also of
    clouds with normals. Options of the estimate: `outliers=remove`, also more than a tenth of the points; `noise`, the
    standard deviation of the points in mesh units or with % of the bounding box's diagonal; and `viewpoint=x,y,z`,
    where the scanner stood.
    """

    kind: ClassVar[str] = "points"
    noun: ClassVar[str] = "point cloud"
    is_surface_only: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = (".ply", *POINT_SUFFIXES, ".npy")
    unclaimed: ClassVar[tuple[str, ...]] = (".npy",)
    loss: ClassVar[str] = "eikonal"
    default_field: ClassVar[str] = "siren"  # a local grid learns nothing away from the points
    headline: str = "surface_mae"

    def __init__(self, points: Floats, normals: Floats | None, notes: tuple[str, ...] = ()) -> None:
        """points: [N, 3] in mesh units. normals: [N, 3], unit length, outward; None for a loss that takes none."""
        self.frame = cube_frame(points)
        self.spec = Spec("points", 3, 1)
        side = self.frame.scale[0]
        self.meta = {"side": side, "n_points": len(points)}
        self.notes = notes
        x = torch.from_numpy(_in_box(self.frame, points).astype(np.float32))
        given = None if normals is None else torch.from_numpy(normals.astype(np.float32))
        self._batch = Batch(x, torch.zeros(len(x), 1), normals=given)

    @classmethod
    def claims(cls, source: Source) -> bool:
        return super().claims(source) and not (source.suffix == ".ply" and _ply.has_faces(source))

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        return {"method": str(meta.get("method", "eikonal"))}

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("points", options, options_of_clouds())
        return cls._of(read_cloud(source, options), options)

    @classmethod
    def open(cls, source: Source, options: Mapping[str, str]) -> Signal:
        """As a `ClosedCloud` if the cloud is closed and not `method=eikonal`; as `BarePoints` without normals."""
        check_options("points", options, options_of_clouds())
        if is_bare(options):
            return BarePoints.load(source, options)
        cloud = read_cloud(source, options)
        if cloud.is_solid and options.get("method") != "eikonal":
            return ClosedCloud.of(cloud, source.name, n_points_of(options), options.get("method", "auto"))
        return cls._of(cloud, options)

    @classmethod
    def default_field_for(cls, source: Source, options: Mapping[str, str]) -> str:
        try:
            is_trained = options.get("method") == "eikonal" or is_bare(options) or not is_solid(source, options)
        except InrError:  # raised again when the signal is loaded
            return cls.default_field
        return cls.default_field if is_trained else ClosedCloud.default_field

    @classmethod
    def _of(cls, cloud: Cloud, options: Mapping[str, str]) -> Self:
        _refuse_points(options, "Eikonal")
        return cls(cloud.points, cloud.normals, cloud.notes)

    def pool(self, generator: Generator) -> Pool:
        return PointPool(self._batch)

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """surface_mae: mean |f| on the points, in mesh units. normal_error_deg, gradient_norm_error, wrong_side.

        On up to 2^15 of the points: normal_error_deg is the mean angle between normal and gradient, gradient_norm_error
        the mean ||grad f| - 1|, both by central differences of 1/1000 of the cube's side; wrong_side the share of
        points p +- that step along the normal whose sign is not that of the step.
        """
        chosen = torch.randperm(len(self._batch.x), generator=torch.Generator().manual_seed(_TEST_SEED))[:_TEST_POINTS]
        x, normals = self._batch.x[chosen], self._batch.normals
        steps = _STEP * torch.eye(3)
        ends = [evaluate_points(evaluate, x + sign * step) for step in steps for sign in (1.0, -1.0)]
        gradient = np.stack([a - b for a, b in zip(ends[::2], ends[1::2], strict=True)], axis=1)
        gradient /= 2 * _STEP * self.meta["side"]
        norm = np.linalg.norm(gradient, axis=1)
        found = {
            "surface_mae": float(np.mean(np.abs(evaluate_points(evaluate, self._batch.x)))),
            "gradient_norm_error": float(np.mean(np.abs(norm - 1))),
        }
        if normals is None:
            return found
        normal = normals[chosen]
        cosine = np.einsum("nd,nd->n", gradient, normal.double().numpy()) / np.where(norm > 0, norm, 1.0)
        outside, inside = (evaluate_points(evaluate, x + way * _STEP * normal) for way in (1, -1))
        return {
            **found,
            "normal_error_deg": float(np.mean(np.degrees(np.arccos(np.clip(cosine, -1, 1))))),
            "wrong_side": float(np.mean(np.concatenate([outside <= 0, inside >= 0]))),
        }


class BarePoints(Points):
    """Points all over a closed surface, without normals, trained by the heat loss alone: no mesh and no distances.

    Outliers are left out, and noise is smoothed, as for estimated normals. The loss makes one sheet through the points
    and chooses the inside, which takes many steps of a smooth field; `metrics` cannot tell whether it is the right one.
    """

    loss: ClassVar[str] = "heat"

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("points", options, options_of_clouds())
        _refuse_points(options, "heat")
        scan, notes = read_scan(source, options)
        signal = cls(scan.points, None, notes)
        signal.meta["method"] = "heat"
        return signal


class ClosedCloud(SolidSignal):
    """The solid that a closed cloud bounds. Its distances are calculated from the points, see `CloudSolid`."""

    kind: ClassVar[str] = "points"
    noun: ClassVar[str] = Points.noun
    extensions: ClassVar[tuple[str, ...]] = Points.extensions

    _given: Tensor

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        cloud = read_cloud(source, options)
        if not cloud.is_solid:
            raise UnreadableError(f"point cloud {source.name!r} does not surround a volume with outward normals")
        return cls.of(cloud, source.name, n_points_of(options), options.get("method", "auto"))

    @classmethod
    def of(cls, cloud: Cloud, name: str, n_points: int = DEFAULT_POINTS, method: str = "auto") -> Self:
        """The solid of a cloud for which `is_solid` holds, trained on `n_points` samples.

        method: an indicator of `INDICATORS` for the distances of a mesh through the points, its zero set; "auto" for
        that, by Poisson's, only if the normals were estimated, unless its lattice is coarser than clean points are
        apart.
        """
        chosen = first = distinct(cloud.points)
        if not cloud.is_kept_whole:
            chosen = first[without_strays(cloud.points[first], cloud.normals[first])]
        points, normals = cloud.points[chosen], cloud.normals[chosen]
        measured = None if cloud.measured is None else cloud.measured[chosen]
        notes = cloud.notes
        n_strays = len(first) - len(points)
        if n_strays:
            notes += (
                f"{name}: left out: {count_of(n_strays, 'point')} far from the surface of the others; {KEEP_ALL}",
            )
        frame = cube_frame(points)
        is_fine = frame.scale[0] / FINEST < _COARSE * cloud.spacing
        make: Callable[[Frame, Floats, Floats], tuple[Solid, int, float]] = _solid_in
        if method in INDICATORS or measured is not None or cloud.is_cluttered or is_fine:
            indicator = method if method in INDICATORS else "poisson"
            through = partial(mesh_of_cloud, indicator=indicator, has_specks=cloud.is_kept_whole)
            make = partial(mesh_in, through=through, noise=cloud.noise, measured=measured)
        solid, n_left_out, bare = make(frame, points, normals)
        if solid.low.min() < 0.5 * _GAP or solid.high.max() > 1 - 0.5 * _GAP:
            # between few points the surface reaches beyond them
            low, side = np.array(frame.domain.low), frame.scale[0]
            frame = cube_frame(np.concatenate([points, low + side * np.stack([solid.low, solid.high])]))
            solid, n_left_out, bare = make(frame, points, normals)
        if n_left_out:
            few, more = ("1 % of the points", f"; {KEEP_ALL}") if not cloud.is_kept_whole else (f"{FEWEST} points", "")
            lost = count_of(n_left_out, "point")
            notes += (f"{name}: left out: {lost} off the surface, alone or in parts of less than {few}{more}",)
        if bare > _NOTED:
            notes += (
                f"{name}: {100 * bare:.2g} % of the surface is far from all points: it closes openings there; "
                "`kind=unsigned` keeps them open",
            )
        side = frame.scale[0]
        signal = cls(solid, frame, {"side": side, "n_points": len(cloud.points)}, notes, n_points)
        signal.meta["thickness"] = thickness = signal.thickness
        if thickness < 2 * cloud.spacing:
            signal.notes += (
                f"{name}: its points are {cloud.spacing:.3g} apart; parts thinner than {2 * cloud.spacing:.3g} merge",
            )
        signal._given = torch.from_numpy(_in_box(frame, points).astype(np.float32))
        return signal

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """As of a solid, and surface_mae: mean |f| on the points, in mesh units."""
        on_points = evaluate_points(evaluate, self._given)
        return {**super().metrics(evaluate), "surface_mae": float(np.mean(np.abs(on_points)))}


def _in_box(frame: Frame, points: Floats) -> Floats:
    """Points [N, 3] of the signal in the unit box."""
    at: Floats = (points - np.array(frame.domain.low)) / frame.scale[0]
    return at


def _solid_in(frame: Frame, points: Floats, normals: Floats) -> tuple[CloudSolid, int, float]:
    return CloudSolid(*merged(_in_box(frame, points), normals)), 0, 0.0


def mesh_in(
    frame: Frame,
    points: Floats,
    normals: Floats,
    *,
    through: Callable[..., CloudBoundary],
    noise: float,
    measured: Floats | None,
) -> tuple[MeshSolid, int, float]:
    """The solid of a mesh `through` the points, the number of points that it leaves out, and the share of its area
    without points.

    Signs are those of winding numbers: of noisy points, moving its vertices folds the mesh, and the normal at
    a fold has the wrong sign for all places that are nearest to it, however far away.
    """
    noise /= frame.scale[0]
    if measured is None:
        found = through(*merged(_in_box(frame, points), normals), noise=noise)
    else:
        found = through(_in_box(frame, points), normals, noise=noise, measured=_in_box(frame, measured))
    return MeshSolid(found, "winding"), found.n_left_out, found.bare


def _refuse_points(options: Mapping[str, str], loss: str) -> None:
    if "points" in options:
        raise UsageError(
            f"option points does not apply: the {loss} loss trains on the points of the cloud itself",
            "closed clouds whose normals point outwards take it, without method=eikonal and method=heat",
        )
