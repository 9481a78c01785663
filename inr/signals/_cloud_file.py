"""A point cloud from a file: its points, and normals that it has or that are estimated, as options say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

import numpy as np

from inr.core.errors import EmptyError, UnreadableError, UsageError
from inr.core.text import count_of
from inr.signals._distance import check_span
from inr.signals._source import Source
from inr.signals.files.point_table import Table, read_table
from inr.signals.files.reading import decoding, read_bytes
from inr.signals.solids.clouds import Cloud, cloud_of, has_normals, openness, points_of
from inr.signals.solids.faces import Floats
from inr.signals.solids.indicators import INDICATORS
from inr.signals.solids.scans import Outliers, Scan, dimension_of, disagreement, estimated, is_planar, unoriented

_SURE, _UNSURE, _LEAST_POINTS = 0.9, 0.6, 100
_WRONG = 0.05  # share of given normals against the shape above which there is a note
_OPEN, _BOWL = 0.1, 0.3
"""`openness` above which a scan has a note, and is only closed on request: half a ball has 1/2."""

_STRAYS = 0.002
"""Share of outliers from which others are taken to lie near the surface, too near to be left out."""
_KEEP_OPEN = "`kind=unsigned`"
OUTLIERS = ("auto", "keep", "remove")
KEEP_ALL = "signal.outliers=keep keeps them"
_ESTIMATE = ("noise", "viewpoint")
_BARE = "ignore"


def options_of_clouds() -> dict[str, tuple[str, ...] | None]:
    """The options of kind points, with the values that they take; None: any text."""
    return {
        "method": ("auto", *INDICATORS, "eikonal", "heat"),
        "orient": ("auto", "keep"),
        "normals": ("auto", "given", "estimate", _BARE),
        "outliers": OUTLIERS,
        "noise": None,
        "viewpoint": None,
        "points": None,
    }


def is_bare(options: Mapping[str, str]) -> bool:
    """Whether options say that points are fitted without normals. Raises UsageError for those that need some."""
    method, normals = options.get("method", "auto"), options.get("normals", "auto")
    if method != "heat" and normals != _BARE:
        return False
    needed = {"method": method not in ("auto", "heat"), "normals": normals not in ("auto", _BARE)}
    needed |= {name: name in options for name in ("orient", "viewpoint", "noise")}
    for name, is_needed in needed.items():
        if is_needed:
            why = "method=heat" if method == "heat" else "normals=ignore"
            raise UsageError(
                f"option {name} does not apply: with {why} points are fitted without normals", "leave one of them out"
            )
    return True


def read_cloud(source: Source, options: Mapping[str, str]) -> Cloud:
    """The cloud of a file, with normals of it or with estimated ones."""
    table = _table(source)
    if _is_estimated(table, source, options):
        cloud = _estimated(table, source, options)
    else:
        surplus = [name for name in _ESTIMATE if name in options]
        surplus += ["outliers=remove"] if options.get("outliers") == "remove" else []
        if surplus:
            raise UsageError(
                f"option {surplus[0]} does not apply: point cloud {source.name!r} has normals",
                "signal.normals=estimate estimates them nevertheless",
            )
        cloud = _given(table, source, options)
    if options.get("outliers") == "keep":
        cloud = dataclasses.replace(cloud, is_kept_whole=True)
    check_span(cloud.points, f"point cloud {source.name!r}")
    if cloud.is_solid and not cloud.spacing and len(cloud.points) >= _LEAST_POINTS:
        share = disagreement(cloud.points, cloud.normals)
        if share > _WRONG:
            note = (
                f"{source.name}: its normals disagree with the shape at {100 * share:.2g} % of the points and are used "
                "as given; signal.normals=estimate would ignore them"
            )
            cloud = dataclasses.replace(cloud, notes=(*cloud.notes, note))
    return cloud


def read_scan(source: Source, options: Mapping[str, str]) -> tuple[Scan, tuple[str, ...]]:
    """The points of a file without its normals, and notes: outliers left out and noise smoothed, as `unoriented` does.

    Raises UnreadableError for fewer than 100 points.
    """
    points, notes = _enough_points(_table(source), source.name)
    scan = unoriented(points, outliers=_outliers_of(options), noise=_noise_of(options, points))
    return scan, notes + _outlier_notes(scan, source.name)


def is_solid(source: Source, options: Mapping[str, str]) -> bool:
    """Whether the cloud of a file is closed, or taken to be because its normals are estimated."""
    table = _table(source)
    return _is_estimated(table, source, options) or _given(table, source, options).is_solid


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
    points, notes = _enough_points(table, name)
    if is_planar(points):
        raise UnreadableError(
            f"{name}: all points lie in a plane, so they surround no volume", f"{_KEEP_OPEN} fits the plane itself"
        )
    scan = estimated(
        points,
        outliers=_outliers_of(options),
        noise=_noise_of(options, points),
        viewpoint=_viewpoint_of(options),
    )
    sure = f"{name}: normals were estimated; clear for {100 * scan.share:.3g} % of the points"
    if scan.share < _UNSURE:
        raise EmptyError(
            f"{name}: inside and outside are clear for only {100 * scan.share:.3g} % of the points, expected a closed "
            f"surface with points all over it",
            f"{_KEEP_OPEN} keeps an open surface open; or give normals",
        )
    notes += (f"{sure} (spacing {scan.spacing:.3g}, noise {scan.noise:.2g})", *_outlier_notes(scan, name))
    missing = openness(scan.points, scan.normals)
    if missing > _OPEN:
        where = f"{name}: its points leave an opening, {100 * missing:.2g} % of their area"
        if missing > _BOWL and options.get("normals") != "estimate":
            raise UsageError(where, f"{_KEEP_OPEN} keeps it open, signal.normals=estimate closes it")
        notes += (f"{where}, which was closed; {_KEEP_OPEN} keeps it open",)
    if scan.share < _SURE:
        unsure = 100 * (1 - scan.share)
        notes += (
            f"{name}: the orientation is uncertain for {unsure:.2g} % of the points (open, thin or sparse there); "
            f"give normals, or use {_KEEP_OPEN}",
        )
    return Cloud(
        scan.points,
        scan.normals,
        notes,
        is_solid=True,
        spacing=scan.spacing,
        noise=scan.noise,
        measured=scan.measured,
        is_cluttered=scan.n_outliers > _STRAYS * len(points),
    )


def _enough_points(table: Table, name: str) -> tuple[Floats, tuple[str, ...]]:
    points, notes = points_of(table, name)
    n = len(np.unique(points, axis=0))
    if n < _LEAST_POINTS:
        found = f"{n} points" if n == len(points) else f"{n} different points among {len(points)}"
        raise UnreadableError(f"{name}: {found}, at least {_LEAST_POINTS} are needed to tell a surface")
    check_span(points, f"point cloud {name!r}")
    if dimension_of(points) < 2:
        raise UnreadableError(f"{name}: all points lie on a line, expected points all over a surface")
    return points, notes


def _outlier_notes(scan: Scan, name: str) -> tuple[str, ...]:
    if not scan.n_outliers:
        return ()
    return (f"{name}: left out: {count_of(scan.n_outliers, 'outlier')}, far from their neighbours; {KEEP_ALL}",)


def _outliers_of(options: Mapping[str, str]) -> Outliers:
    return cast(Outliers, options.get("outliers", "auto"))


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
