"""Which columns of a table are points and which are normals, and whether the normals point outwards; where a table has
none, they are estimated."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals.files.point_table import Table, as_names
from inr.signals.solids.faces import Floats

_NORMAL_NAMES = (
    ("nx", "ny", "nz"),
    ("normal_x", "normal_y", "normal_z"),
    ("normalx", "normaly", "normalz"),
    ("n_x", "n_y", "n_z"),
    ("normal.x", "normal.y", "normal.z"),
    ("normal0", "normal1", "normal2"),
    ("normals0", "normals1", "normals2"),
    ("n0", "n1", "n2"),
)
_POINT_NAMES = (
    ("x", "y", "z"),
    ("xyz0", "xyz1", "xyz2"),
    ("position0", "position1", "position2"),
    ("points0", "points1", "points2"),
)
_UNIT_WITHIN = 0.02
_MOST = 0.95
"""Share of the rows that have to look like normals."""

_NEEDED = "normals are needed"
_HINT = "signal.normals=estimate finds them for a cloud all around a solid"
_NAME_THEM = "if they are normals, name the columns in a first line: x y z nx ny nz"

SAMPLE, PROBES, NEIGHBOURS = 2**15, 256, 8
_OPEN = 0.15
"""Sum of areas times normals over the sum of areas, beyond which a cloud is not closed."""

_LARGEST = 4.0
"""Area of a point, in those of its neighbours, beyond which it is an outlier's."""

_STEP = 0.5
"""Distances to the eighth neighbour by which a probe stands off the surface."""


@dataclasses.dataclass(frozen=True)
class Cloud:
    """points, normals: [N, 3] float64, normals of unit length. notes: what was done to them.

    is_solid: the points surround a volume and their normals point out of it. spacing: of estimated normals, how far the
    points are apart, else 0. noise: of those, their standard deviation across the surface. measured: [N, 3], where the
    points were before they were smoothed, None if they were not. is_cluttered: there were many outliers, so others may
    be near. is_kept_whole: no points are to be left out, however far from the others.
    """

    points: Floats
    normals: Floats
    notes: tuple[str, ...]
    is_solid: bool
    spacing: float = 0.0
    noise: float = 0.0
    measured: Floats | None = None
    is_cluttered: bool = False
    is_kept_whole: bool = False


class NoNormalsError(UnreadableError):
    """A table without normals. xyz: the columns of its points; why: what speaks against its other columns."""

    def __init__(self, message: str, hint: str, xyz: list[int], why: str) -> None:
        super().__init__(message, hint)
        self.xyz, self.why = xyz, why


def has_normals(table: Table, name: str) -> bool:
    """Whether a table has normals. Raises UnreadableError for one without points."""
    try:
        _columns(table, name)
    except NoNormalsError:
        return False
    return True


def points_of(table: Table, name: str) -> tuple[Floats, tuple[str, ...]]:
    """The finite points [N, 3] of a table, whether it has normals or not, and notes."""
    notes = table.notes
    try:
        xyz, _, _ = _columns(table, name)
    except NoNormalsError as error:
        xyz = error.xyz
        notes += (f"{name}: {error.why}, so they are not taken for normals",) if error.why else ()
    points = table.rows[:, xyz]
    is_finite = np.isfinite(points).all(axis=1)
    if not is_finite.any():
        raise UnreadableError(f"point cloud {name!r} has no points: all {len(points)} rows are NaN or infinite")
    if not is_finite.all():
        n_missing = int((~is_finite).sum())
        notes += (f"{name}: {n_missing} of {len(points)} points with NaN or infinite values were left out",)
    points = points[is_finite]
    _check_extent(points, name)
    return points, notes


def cloud_of(table: Table, name: str, *, may_turn: bool = True) -> Cloud:
    """The points and normals of a table, without rows that have none.

    A closed cloud whose normals point inwards is turned over, unless `may_turn` is False. Raises NoNormalsError for a
    table without normals: colours, which are never negative and not of unit length, are not taken for them.
    """
    xyz, normal, told = _columns(table, name)
    points, normals = table.rows[:, xyz], table.rows[:, normal]
    notes = table.notes + told
    is_finite = np.isfinite(points).all(axis=1) & np.isfinite(normals).all(axis=1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        length = np.linalg.norm(normals, axis=1)
    is_usable = is_finite & np.isfinite(length) & (length > 0)
    if not is_usable.any():
        what = "NaN or infinite" if not is_finite.any() else "of length zero"
        raise UnreadableError(
            f"point cloud {name!r} has no points with a normal: all {len(points)} rows are {what}", _HINT
        )
    n_missing, n_zero = int((~is_finite).sum()), int((is_finite & ~is_usable).sum())
    if n_missing:
        notes += (f"{name}: {n_missing} of {len(points)} points with NaN or infinite values were left out",)
    if n_zero:
        notes += (f"{name}: {n_zero} of {len(points)} points with a normal of no usable length were left out",)
    points, normals = points[is_usable], normals[is_usable] / length[is_usable, None]
    _check_extent(points, name)
    way = orientation(points, normals)
    if way < 0 and may_turn:
        normals = -normals
        notes += (f"{name}: its normals point inwards and were turned over (signal.orient=keep: as they are)",)
    if way == 0 and is_unoriented(points, normals):
        notes += (
            f"{name}: normals of neighbouring points point opposite ways, so inside and outside are uncertain; "
            "orient them first (in CloudCompare, MeshLab or Open3D)",
        )
    return Cloud(points, normals, notes, is_solid=way > 0 or (way < 0 and may_turn))


# -- columns


def _columns(table: Table, name: str) -> tuple[list[int], list[int], tuple[str, ...]]:
    """The columns of the points and of the normals, and a note if the normals are not of unit length."""
    names = None if table.names is None else [n.split("[")[0].split("(")[0].strip() for n in table.names]
    n_columns = table.rows.shape[1] if table.rows.ndim == 2 else 0
    if names is not None:
        xyz, normal = _by_name(names, _POINT_NAMES), _by_name(names, _NORMAL_NAMES)
        if xyz is not None and normal is not None:
            return xyz, normal, ()
        expected = f"point cloud {name!r} has {as_names(table.names, n_columns)}, expected x y z nx ny nz: "
        if xyz is not None:
            raise NoNormalsError(expected + _NEEDED, _HINT, xyz, "")
        if normal is not None:
            raise UnreadableError(expected + "positions are needed", "give one row x y z nx ny nz per point")
    if n_columns < 6 or len(table.rows) == 0:
        message = f"point cloud {name!r} has shape {table.rows.shape}, expected one row x y z nx ny nz per point"
        if n_columns < 3 or len(table.rows) == 0:
            raise UnreadableError(message)
        raise NoNormalsError(f"{message}: {_NEEDED}", _HINT, [0, 1, 2], "")
    return _by_values(table.rows, name)


def _by_name(names: list[str], known: tuple[tuple[str, str, str], ...]) -> list[int] | None:
    for triple in known:
        if all(name in names for name in triple):
            return [names.index(name) for name in triple]
    return None


def _by_values(rows: Floats, name: str) -> tuple[list[int], list[int], tuple[str, ...]]:
    """Normals are the three columns behind x y z whose rows have length 1, or in six columns at least both signs."""
    n_columns = rows.shape[1]
    triples = [list(range(k, k + 3)) for k in range(3, n_columns - 2)]
    unit = [triple for triple in triples if _is_unit(rows[:, triple])]
    if len(unit) > 1 and unit[0] == [3, 4, 5]:
        unit = unit[:1]
    if len(unit) == 1:
        return [0, 1, 2], unit[0], ()
    shown = f"point cloud {name!r} has {n_columns} columns without names, "
    if n_columns > 6 or unit:
        message = shown + f"and {'several' if unit else 'no'} three of them behind x y z have length 1: {_NEEDED}"
        hint = "name the columns in a first line: x y z nx ny nz ..."
        if unit:
            raise UnreadableError(message, hint)
        why = f"no three of its {n_columns} columns behind x y z have length 1"
        raise NoNormalsError(message, f"{hint}; or {_HINT}", [0, 1, 2], why)
    last = rows[:, 3:][np.isfinite(rows[:, 3:]).all(axis=1)]
    if len(last) == 0 or not last.any():
        return [0, 1, 2], [3, 4, 5], ()
    if (last >= 0).all():
        what = f"{last.min():g} to {last.max():g}, never negative and not of length 1, as colours are"
        raise _no_normals(shown, what)
    with np.errstate(over="ignore", under="ignore"):
        length = np.linalg.norm(last, axis=1)
    length = length[np.isfinite(length) & (length > 0)]
    if len(length) == 0:
        return [0, 1, 2], [3, 4, 5], ()
    is_whole = (last == np.rint(last)).all() and np.abs(last).max() > 1
    if is_whole and length.std() > 0.1 * length.mean():
        what = f"whole numbers from {last.min():g} to {last.max():g}, not of one length, as counts or colours are"
        raise _no_normals(shown, what)
    note = f"{name}: columns 4 to 6 are taken for normals; their lengths, {length.min():.3g} to {length.max():.3g}, "
    return [0, 1, 2], [3, 4, 5], (note + "were made 1",)


def _no_normals(shown: str, what: str) -> NoNormalsError:
    message = f"{shown}and the last three are {what}: {_NEEDED}"
    return NoNormalsError(message, f"{_NAME_THEM}; or {_HINT}", [0, 1, 2], f"columns 4 to 6 are {what}")


def _is_unit(values: Floats) -> bool:
    """Whether nearly all rows are vectors of length 1, zeros and missing ones aside, and there are some."""
    kept = values[np.isfinite(values).all(axis=1)]
    with np.errstate(over="ignore", under="ignore"):
        length = np.linalg.norm(kept, axis=1)
    length = length[length > 0]
    return len(length) > 0 and bool(np.mean(np.abs(length - 1) < _UNIT_WITHIN) >= _MOST)


# -- where the points are, and which way the normals point


def _check_extent(points: Floats, name: str) -> None:
    if len(points) == 1:
        raise UnreadableError(
            f"point cloud {name!r} has one point and spans 0 units, expected points all over a surface"
        )
    if (points == points[0]).all():
        x, y, z = points[0]
        raise UnreadableError(
            f"point cloud {name!r} spans 0 units: all of its {len(points)} points are ({x:g}, {y:g}, {z:g})",
            "expected points all over a surface",
        )


def orientation(points: Floats, normals: Floats) -> int:
    """1 if the normals of a closed cloud point outwards, -1 if inwards, 0 if the cloud is open or they disagree.

    The winding number w(q) = sum_i a_i n_i . (p_i - q) / (4 pi |p_i - q|^3) of the points, with areas a_i by the
    distance of the eighth neighbour (Barill et al. 2018), is 1 inside of a closed cloud and 0 outside of it, with
    inward normals -1 and 0; so its sum a little before and a little behind the surface is 1 or -1, and 0 for a sheet.
    The sum of a_i n_i is 0 for a closed surface and half the area for a hemisphere; beyond `_OPEN` a cloud is open.
    """
    points, normals, distance, areas = _sampled(points, normals)
    if len(points) <= NEIGHBOURS:
        return 0
    if not (areas > 0).any() or np.linalg.norm(areas @ normals) > _OPEN * areas.sum():
        return 0
    chosen = np.random.default_rng(1).permutation(len(points))[:PROBES]
    step = _STEP * np.maximum(distance[chosen, -1], np.median(distance[:, -1]))[:, None] * normals[chosen]
    total = _winding(points[chosen] - step, points, normals, areas) + _winding(
        points[chosen] + step, points, normals, areas
    )
    middle = float(np.median(total))
    return 0 if abs(middle) < 0.5 else 1 if middle > 0 else -1


def openness(points: Floats, normals: Floats) -> float:
    """|sum of a_i n_i| over the sum of areas a_i: 0 of a closed surface, 1/2 of half a ball, 1 of a plane."""
    points, normals, _, areas = _sampled(points, normals)
    return float(np.linalg.norm(areas @ normals) / max(areas.sum(), 1e-300))


def point_areas(distance: Floats) -> Floats:
    """The area [N] that each point represents, from the distances [N, K] of its neighbours, itself first."""
    areas: Floats = np.pi * distance[:, NEIGHBOURS] ** 2 / NEIGHBOURS
    return areas


def is_unoriented(points: Floats, normals: Floats) -> bool:
    """Whether a good part of neighbouring normals point nearly opposite ways, as estimated ones do before orienting."""
    from scipy.spatial import cKDTree

    points, normals, _, _ = _sampled(points, normals)
    if len(points) <= NEIGHBOURS:
        return False
    _, near = cKDTree(points).query(points, k=3)
    cosine = np.einsum("nkd,nd->nk", normals[near[:, 1:]], normals)
    return bool(np.mean(cosine < -0.7) > 0.2)


def _sampled(points: Floats, normals: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """At most `SAMPLE` of the different points, in their own unit, the distances of their neighbours, and their areas,
    but none far above those of its neighbours: an outlier represents no area."""
    from scipy.spatial import cKDTree

    unit = (points - points.mean(axis=0)) / np.abs(points - points.mean(axis=0)).max()
    chosen = np.sort(np.random.default_rng(0).permutation(len(unit))[:SAMPLE])
    unit, first = np.unique(unit[chosen], axis=0, return_index=True)
    kept = normals[chosen][first]
    if len(unit) <= NEIGHBOURS:
        return unit, kept, np.empty((len(unit), 0)), np.empty(len(unit))
    distance, near = cKDTree(unit).query(unit, k=NEIGHBOURS + 1)
    areas = point_areas(distance)
    return unit, kept, distance, np.minimum(areas, _LARGEST * np.median(areas[near[:, 1:]], axis=1))


def _winding(at: Floats, points: Floats, normals: Floats, areas: Floats) -> Floats:
    """Winding numbers [Q] at [Q, 3]."""
    weighted = normals * areas[:, None]
    found = np.empty(len(at))
    for k, q in enumerate(at):
        away = points - q
        found[k] = np.sum(np.einsum("nd,nd->n", weighted, away) / np.linalg.norm(away, axis=1).clip(1e-12) ** 3)
    return found / (4 * np.pi)
