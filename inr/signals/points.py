"""Point clouds: points on a surface, to be fitted as a signed distance function.

A closed cloud is fitted as the solid that it bounds, by distances, as meshes are. An open one has no inside: it is
fitted by the Eikonal loss, which needs no distances. Outward normals that are missing are estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import EmptyError, InrError, UnreadableError, UsageError
from inr.signals._distance import DistanceSignal, PointPool, check_span, cube_frame, evaluate_points
from inr.signals._signal import SIGNALS, Batch, Evaluate, Pool, Signal, Source
from inr.signals.files import ply as _ply
from inr.signals.files.point_table import Table, read_table
from inr.signals.files.reading import check_options, decoding, read_bytes
from inr.signals.files.sniffing import POINT_SUFFIXES
from inr.signals.solids.cloud_mesh import mesh_of_cloud
from inr.signals.solids.cloud_solid import CloudSolid, distinct, merged, without_strays
from inr.signals.solids.clouds import Cloud, cloud_of, has_normals, points_of
from inr.signals.solids.distances import MeshSolid, Solid
from inr.signals.solids.faces import Floats
from inr.signals.solids.scans import Outliers, estimated, is_planar
from inr.signals.solids.solid_signal import DEFAULT_POINTS, SolidSignal, n_points_of

_TEST_POINTS = 2**15
_TEST_SEED = 0x5EED
_STEP = 1e-3
_GAP = 0.045  # between the points and the walls of their cube, in its lengths


@SIGNALS.register("points")
class Points(DistanceSignal):
    """Points: PLY without faces, text lines "x y z nx ny nz" or "x y z" of any dialect, or .npy of shape [N, 6 or 3].

    Columns are recognised by their names if the file has them, else normals by their length. The domain is a cube
    around the points, as for shapes. A .npy is an array unless the kind is given.

    A cloud that closes a volume is opened as a `ClosedCloud`, whose distances are calculated from the points. Any other
    is trained by the Eikonal loss, on samples of value 0 with a unit normal. Options: `method=eikonal` does so with a
    closed cloud too; `method=poisson` takes the distances of a mesh through the points, the zero set of the spectral
    Poisson indicator (default `auto`: so for points without normals that are noisy or have many outliers).
    `orient=keep` leaves normals that point inwards as they are, so that the inside is around the points, and trains by
    the Eikonal loss (default `auto`: those of a closed cloud are turned over, with a note). `points`: training samples
    of a closed cloud, default 2^20.

    Points without normals must be those of a closed surface; see `estimated` for how normals are found, and a note
    says how sure they are. `normals`: given (those of the file, an error if it has none), estimate (even if it has
    some); default `auto`: as given, else estimated. Options of the estimate: `outliers=auto|keep|remove`, `noise`, the
    standard deviation of the points in mesh units or with % of the bounding box's diagonal, and `viewpoint=x,y,z`,
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

    def __init__(self, points: Floats, normals: Floats, notes: tuple[str, ...] = ()) -> None:
        """points: [N, 3] in mesh units. normals: [N, 3], unit length, outward."""
        self.frame = cube_frame(points)
        self.spec = Spec("points", 3, 1)
        side = self.frame.scale[0]
        self.meta = {"side": side, "n_points": len(points)}
        self.notes = notes
        x = _in_box(self.frame, points).astype(np.float32)
        self._batch = Batch(
            torch.from_numpy(x), torch.zeros(len(x), 1), normals=torch.from_numpy(normals.astype(np.float32))
        )

    @classmethod
    def claims(cls, source: Source) -> bool:
        return super().claims(source) and not (source.suffix == ".ply" and _ply.has_faces(source))

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        return {"method": "eikonal"}

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        return cls._of(_read(source, options), options)

    @classmethod
    def open(cls, source: Source, options: Mapping[str, str]) -> Signal:
        """As a `ClosedCloud` if the cloud is closed, unless `method=eikonal` is given."""
        cloud = _read(source, options)
        if cloud.is_solid and options.get("method") != "eikonal":
            return ClosedCloud.of(cloud, source.name, n_points_of(options), options.get("method", "auto"))
        return cls._of(cloud, options)

    @classmethod
    def default_field_for(cls, source: Source, options: Mapping[str, str]) -> str:
        if options.get("method") == "eikonal":
            return cls.default_field
        try:
            table = _table(source)
            is_solid = _is_estimated(table, source, options) or _given(table, source, options).is_solid
        except InrError:  # raised again when the signal is loaded
            return cls.default_field
        return ClosedCloud.default_field if is_solid else cls.default_field

    @classmethod
    def _of(cls, cloud: Cloud, options: Mapping[str, str]) -> Self:
        if "points" in options:
            raise UsageError(
                "option points does not apply: the Eikonal loss trains on the points of the cloud itself",
                "closed clouds whose normals point outwards take it, without method=eikonal",
            )
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
        assert self._batch.normals is not None
        x, normals = self._batch.x[chosen], self._batch.normals[chosen].double()
        steps = _STEP * torch.eye(3)
        ends = [evaluate_points(evaluate, x + sign * step) for step in steps for sign in (1.0, -1.0)]
        gradient = np.stack([a - b for a, b in zip(ends[::2], ends[1::2], strict=True)], axis=1)
        gradient /= 2 * _STEP * self.meta["side"]
        norm = np.linalg.norm(gradient, axis=1)
        cosine = np.einsum("nd,nd->n", gradient, normals.numpy()) / np.where(norm > 0, norm, 1.0)
        offset = _STEP * normals.float()
        outside, inside = (evaluate_points(evaluate, p) for p in (x + offset, x - offset))
        return {
            "surface_mae": float(np.mean(np.abs(evaluate_points(evaluate, self._batch.x)))),
            "normal_error_deg": float(np.mean(np.degrees(np.arccos(np.clip(cosine, -1, 1))))),
            "gradient_norm_error": float(np.mean(np.abs(norm - 1))),
            "wrong_side": float(np.mean(np.concatenate([outside <= 0, inside >= 0]))),
        }


class ClosedCloud(SolidSignal):
    """The solid that a closed cloud bounds. Its distances are calculated from the points, see `CloudSolid`."""

    kind: ClassVar[str] = "points"
    noun: ClassVar[str] = Points.noun
    extensions: ClassVar[tuple[str, ...]] = Points.extensions

    _given: Tensor

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        cloud = _read(source, options)
        if not cloud.is_solid:
            raise UnreadableError(f"point cloud {source.name!r} does not surround a volume with outward normals")
        return cls.of(cloud, source.name, n_points_of(options), options.get("method", "auto"))

    @classmethod
    def of(cls, cloud: Cloud, name: str, n_points: int = DEFAULT_POINTS, method: str = "auto") -> Self:
        """The solid of a cloud for which `is_solid` holds, trained on `n_points` samples.

        method: "poisson" for the distances of a mesh through the points, "auto" for that only if they are noisy.
        """
        points, normals = distinct(cloud.points, cloud.normals)
        n_distinct = len(points)
        points, normals = without_strays(points, normals)
        notes = cloud.notes
        n_strays = n_distinct - len(points)
        if n_strays:
            notes += (f"{name}: {n_strays} points far from the surface of the others were left out",)
        frame = cube_frame(points)
        make = _mesh_in if method == "poisson" or cloud.is_noisy else _solid_in
        solid: Solid = make(frame, points, normals)
        if solid.low.min() < 0.5 * _GAP or solid.high.max() > 1 - 0.5 * _GAP:
            # between few points the surface reaches beyond them
            low, side = np.array(frame.domain.low), frame.scale[0]
            frame = cube_frame(np.concatenate([points, low + side * np.stack([solid.low, solid.high])]))
            solid = make(frame, points, normals)
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


def _solid_in(frame: Frame, points: Floats, normals: Floats) -> CloudSolid:
    return CloudSolid(*merged(_in_box(frame, points), normals))


_SURE, _UNSURE, _LEAST_POINTS = 0.9, 0.6, 100
_STRAYS = 0.002
"""Share of outliers from which others are taken to lie near the surface, too near to be left out."""
_ESTIMATE = ("outliers", "noise", "viewpoint")
_OPTIONS = {
    "method": ("auto", "poisson", "eikonal"),
    "orient": ("auto", "keep"),
    "normals": ("auto", "given", "estimate"),
    "outliers": ("auto", "keep", "remove"),
    "noise": None,
    "viewpoint": None,
    "points": None,
}


def _read(source: Source, options: Mapping[str, str]) -> Cloud:
    """The cloud of a file, with normals of it or with estimated ones."""
    check_options("points", options, _OPTIONS)
    table = _table(source)
    if _is_estimated(table, source, options):
        cloud = _estimated(table, source, options)
    else:
        surplus = [name for name in _ESTIMATE if name in options]
        if surplus:
            raise UsageError(
                f"option {surplus[0]} does not apply: point cloud {source.name!r} has normals",
                "signal.normals=estimate estimates them nevertheless",
            )
        cloud = _given(table, source, options)
    check_span(cloud.points, f"point cloud {source.name!r}")
    return cloud


def _mesh_in(frame: Frame, points: Floats, normals: Floats) -> MeshSolid:
    return MeshSolid(mesh_of_cloud(*merged(_in_box(frame, points), normals)))


def _table(source: Source) -> Table:
    data = read_bytes(source)
    with decoding(source, "a point cloud"):
        return read_table(data, source)


def _is_estimated(table: Table, source: Source, options: Mapping[str, str]) -> bool:
    wish = options.get("normals", "auto")
    return wish == "estimate" or (wish == "auto" and not has_normals(table, source.name))


def _given(table: Table, source: Source, options: Mapping[str, str]) -> Cloud:
    return cloud_of(table, source.name, may_turn=options.get("orient") != "keep")


def _estimated(table: Table, source: Source, options: Mapping[str, str]) -> Cloud:
    """Raises UnreadableError for too few or coplanar points, EmptyError if no closed surface is found."""
    name = source.name
    points, notes = points_of(table, name)
    if len(points) < _LEAST_POINTS:
        raise UnreadableError(f"{name}: {len(points)} points, at least {_LEAST_POINTS} are needed to tell a surface")
    check_span(points, f"point cloud {name!r}")
    if is_planar(points):
        raise UnreadableError(f"{name}: all points lie in a plane, so they surround no volume")
    scan = estimated(
        points,
        outliers=cast(Outliers, options.get("outliers", "auto")),
        noise=_noise_of(options, points),
        viewpoint=_viewpoint_of(options),
    )
    sure = f"{name}: normals were estimated; clear for {100 * scan.share:.3g} % of the points"
    if scan.share < _UNSURE:
        raise EmptyError(
            f"{name}: inside and outside are clear for only {100 * scan.share:.3g} % of the points, expected a closed "
            f"surface with points all over it",
            "give normals; or a viewpoint, if all points were seen from one",
        )
    notes += (f"{sure} (spacing {scan.spacing:.3g}, noise {scan.noise:.2g})",)
    if scan.n_outliers:
        notes += (f"{name}: {scan.n_outliers} outliers were left out; signal.outliers=keep keeps them",)
    if scan.share < _SURE:
        unsure = 100 * (1 - scan.share)
        notes += (
            f"{name}: the orientation is uncertain for {unsure:.2g} % of the points (open, thin or sparse there); "
            "give normals",
        )
    return Cloud(
        scan.points,
        scan.normals,
        notes,
        is_solid=True,
        spacing=scan.spacing,
        is_noisy=scan.is_noisy or scan.n_outliers > _STRAYS * len(points),
    )


def _noise_of(options: Mapping[str, str], points: Floats) -> float | None:
    """In mesh units; None: to be estimated."""
    text = options.get("noise", "auto")
    if text == "auto":
        return None
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < np.inf:
        raise UsageError(
            f"option noise is {text!r}, expected auto, a length in mesh units, or a share of the diagonal such as 0.5%"
        )
    return value * float(np.linalg.norm(np.ptp(points, axis=0))) / 100 if text.endswith("%") else value


def _viewpoint_of(options: Mapping[str, str]) -> Floats | None:
    text = options.get("viewpoint")
    if text is None:
        return None
    try:
        place = np.array([float(part) for part in text.split(",")])
    except ValueError:
        place = np.empty(0)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise UsageError(f"option viewpoint is {text!r}, expected three numbers such as 0,0,2")
    return place
