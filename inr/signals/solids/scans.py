"""Points of a scan without normals: outliers, spacing and noise, and outward normals of a closed surface."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from inr.core.jit import compiled
from inr.signals.solids.faces import Bools, Floats, Ints
from inr.signals.solids.local_quadrics import on_quadrics
from inr.signals.solids.winding_normals import consistent_normals, winding_numbers, winding_slopes

NEIGHBOURS = 12
_FEW, _MANY = 16, 30
"""Neighbours of a plane, of clean and of noisy points."""

_NOISY, _ROUGH = 0.25, 0.05
"""Noise in spacings, above which points are smoothed; and those of a surface that may be open."""

_RESIDUAL, _SHARP = 0.2, 6.0
"""Noise that smoothing is to leave, in spacings; and how much less neighbours with another normal weigh then."""

_LEAST, _MOST = 30, 192
"""Neighbours of a quadric."""

_ALONE, _FAR = 4.0, 10.0
"""A point is an outlier if its neighbours are this many times farther than those of the points around it, or of the
median point."""

_LONELY, _ASIDE, _STRAY = 2.0, 1.3, 5.0
"""Or if its third neighbour is this many times farther than those of its neighbours, and it stands off their planes by
this many spacings and this many times the noise."""

_MOST_OUTLIERS = 0.1
_REPRESENTATIVES = 4096
_NARROW, _WIDE = 1.0, 8.0
"""Widths of winding numbers, in spacings of the representatives."""

_CHECKED, _CLEAR, _AGAINST = 2048, 0.95, 0.5
"""Points at which given normals are checked; share of them at which winding numbers must be clear; and the cosine
beyond which a normal points the other way."""

_PROBES = 4096
_STEP, _SURE = 1.5, 0.2
_FLAT = 1e-4
_CHUNK = 2**13

Outliers = Literal["auto", "keep", "remove"]


@dataclasses.dataclass(frozen=True)
class Scan:
    """points, normals: [N, 3] in the units of the input, sorted; normals outward, of unit length.

    spacing: side of the square that a point represents, at the median. noise: standard deviation of the points across
    the surface. measured: [N, 3], where the points were before they were smoothed, None if they were not. n_outliers:
    left out. share: of the points on whose two sides the winding number is clear, below 0.3
    and above 0.7.
    """

    points: Floats
    normals: Floats
    spacing: float
    noise: float
    n_outliers: int
    share: float
    measured: Floats | None = None


def estimated(
    points: Floats,
    *,
    outliers: Outliers = "auto",
    noise: float | None = None,
    viewpoint: Floats | None = None,
) -> Scan:
    """Outward normals of points [N, 3], at least `NEIGHBOURS` + 1 different ones, all over closed surfaces.

    Axes are those of least variance of the neighbours. Which way they point is found for at most 4096 representatives,
    by the consistency of winding numbers (`consistent_normals`); every point follows the slope of their winding number,
    and then the vote of its neighbours. Normals are then those of quadrics through their neighbours, onto which noisy
    points are moved.

    outliers: "auto" leaves out at most 10 % of the points. noise: its standard deviation, None to estimate it.
    viewpoint: [3], where the scanner stood; normals are then turned towards it.

    The result does not depend on the order of the points, nor on the number of threads.
    """
    scan = _Cleaned(points, outliers, noise)
    x, planes = scan.points, scan.planes
    if viewpoint is None:
        normals = _facing_out(x, planes, scan.noise)
    else:
        towards = np.einsum("nd,nd->n", planes.axes, (viewpoint - scan.low) / scan.side - x)
        normals = np.where(towards[:, None] < 0, -planes.axes, planes.axes)
    x, normals = scan.smoothed(normals)
    return scan.result(x, normals, _clear_share(x, normals, scan.noise))


def unoriented(points: Floats, *, outliers: Outliers = "auto", noise: float | None = None) -> Scan:
    """As `estimated`, of surfaces that may be open: which way a normal points is not known, and `share` is 0.

    Less noise is smoothed, because triangles between the points must lie along the surface.
    """
    scan = _Cleaned(points, outliers, noise, _ROUGH)
    x, normals = scan.smoothed(scan.planes.axes, is_oriented=False)
    return scan.result(x, normals, 0.0)


class _Cleaned:
    """Different points [N, 3] without outliers, in lengths of the longest side of their box, from its lowest corner;
    their planes and their noise."""

    def __init__(self, points: Floats, outliers: Outliers, noise: float | None, noisy: float = _NOISY) -> None:
        given = np.unique(points, axis=0)
        self.low, self.side = given.min(axis=0), float(np.ptp(given, axis=0).max())
        x = (given - self.low) / self.side
        least = {"keep": len(x), "auto": (1 - _MOST_OUTLIERS) * len(x), "remove": NEIGHBOURS + 1}[outliers]
        kept = ~_is_outlier(x)
        are_few = bool(np.count_nonzero(kept) >= least)
        x = x[kept] if are_few else x
        self.planes = _Planes(x, _FEW)
        kept = ~self.planes.is_stray()
        if are_few and not kept.all() and np.count_nonzero(kept) >= least:
            x = x[kept]
            self.planes = _Planes(x, _FEW)
        self.points, self.n_outliers = x, len(given) - len(x)
        self.noise = self.planes.noise if noise is None else noise / self.side
        self._is_noisy = self.noise > noisy * self.planes.spacing
        self._is_given = noise is not None
        if self._is_noisy:
            self.planes = _Planes(x, _MANY)
            self.noise = self.noise if self._is_given else self.planes.noise

    def smoothed(self, normals: Floats, *, is_oriented: bool = True) -> tuple[Floats, Floats]:
        """The points, moved if they are noisy, and the normals of the quadrics there.

        Few neighbours show too little noise, as those far off the surface are not among them, so it is measured again.
        """
        x = self.points
        if not self._is_noisy:
            return x, on_quadrics(x, normals, NEIGHBOURS, is_oriented=is_oriented)[1]
        if not self._is_given:
            self.noise = float(np.median(on_quadrics(x, normals, self._n_smoothing, is_oriented=is_oriented)[2]))
        k = self._n_smoothing
        for _round in range(2):
            x, normals, _ = on_quadrics(x, normals, k, is_oriented=is_oriented, sharp=_SHARP)
        return x, normals

    @property
    def _n_smoothing(self) -> int:
        """Neighbours of a quadric whose value at its middle has the noise `_RESIDUAL`: 6 terms are fitted to them."""
        return int(np.clip(6 * (self.noise / (_RESIDUAL * self.planes.spacing)) ** 2, _LEAST, _MOST))

    def result(self, x: Floats, normals: Floats, share: float) -> Scan:
        spacing, noise = self.side * self.planes.spacing, self.side * self.noise
        measured = self.low + self.side * self.points if self._is_noisy else None
        return Scan(self.low + self.side * x, normals, spacing, noise, self.n_outliers, share, measured)


def disagreement(points: Floats, normals: Floats) -> float:
    """Share of the normals [N, 3] of a closed cloud that point the other way than winding numbers say.

    At most 2048 of the points are looked at. 0 if the winding numbers are not clear at nearly all of them.
    """
    x, first = np.unique(points, axis=0, return_index=True)
    x = (x - x.min(axis=0)) / np.ptp(x, axis=0).max()
    picked = np.sort(np.random.default_rng(0).permutation(len(x))[: 8 * _CHECKED])
    chosen = picked[_spread_out(x[picked], min(_CHECKED, len(picked)))]
    at = x[chosen]
    vectors, apart, width = _vectors(at, 0.0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    outside, inside = (winding_numbers(at + way * _STEP * apart * unit, at, vectors, width / 2) for way in (1, -1))
    if np.mean((outside < 0.5 - _SURE) & (inside > 0.5 + _SURE)) < _CLEAR:
        return 0.0
    return float(np.mean(np.einsum("nd,nd->n", unit, normals[first][chosen]) < -_AGAINST))


def is_planar(points: Floats) -> bool:
    """Whether points [N, 3] lie in one plane, within 1/10000 of their extent."""
    return dimension_of(points) < 3


def dimension_of(points: Floats) -> int:
    """In how many directions points [N, 3] extend by more than 1/10000 of their extent: 1 of a line, 2 of a plane."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return int(np.count_nonzero(spread > _FLAT * spread[0]))


def areas(distance: Floats) -> Floats:
    """The area [N] that each point represents, by the distances [N, K] of its neighbours, itself first."""
    k = min(NEIGHBOURS, distance.shape[1] - 1)
    found: Floats = np.pi * distance[:, k] ** 2 / k
    return found


class _Planes:
    """Planes through the neighbours of points x [N, 3].

    near [N, K]: the neighbours, itself first. axes [N, 3]: normals of unknown sign. heights [N]: of the points over
    their planes. spacing, noise: see `Scan`.
    """

    def __init__(self, x: Floats, k: int) -> None:
        from scipy.spatial import cKDTree

        tree: Any = cKDTree(x)
        distance, self.near = tree.query(x, k=min(k + 1, len(x)))
        self.area = areas(distance)
        self._points, self._third = x, distance[:, 3]
        self.spacing = float(np.sqrt(np.median(self.area)))
        self.axes, self.heights, rest = np.empty_like(x), np.empty(len(x)), np.empty(len(x))
        for start in range(0, len(x), _CHUNK):
            here = slice(start, start + _CHUNK)
            self.axes[here], self.heights[here], rest[here] = _fitted(x[here], x[self.near[here]])
        self.noise = float(np.median(rest))

    def is_stray(self) -> Bools:
        """Which points [N] are isolated and off the planes of their neighbours, by the medians over these."""
        off = np.empty(len(self._points))
        for start in range(0, len(off), _CHUNK):
            here = slice(start, start + _CHUNK)
            others = self.near[here, 1 : NEIGHBOURS + 1]
            away = self._points[here, None] - self._points[others]
            off[here] = np.median(np.abs(np.einsum("nkd,nkd->nk", away, self.axes[others])), axis=1)
        around = self.near[:, 1 : NEIGHBOURS + 1]
        spacing = np.sqrt(np.median(self.area[around], axis=1))
        is_lonely = self._third > _LONELY * np.median(self._third[around], axis=1)
        return np.asarray(is_lonely & (off > np.maximum(_ASIDE * spacing, _STRAY * self.noise)))


def _fitted(x: Floats, near: Floats) -> tuple[Floats, Floats, Floats]:
    """Of neighbours [N, K, 3]: the axis of least variance, the height of x over their plane, and the standard
    deviation of what remains of their heights after the best quadric."""
    middle = near.mean(axis=1)
    apart = near - middle[:, None]
    variances, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", apart, apart))
    normal = axes[:, :, 0]
    heights = np.einsum("nd,nd->n", x - middle, normal)
    size = np.sqrt(np.maximum(variances[:, 2:], 1e-300) / near.shape[1])
    h, u, v = (np.einsum("nkd,nd->nk", apart, axes[:, :, a]) / size for a in range(3))
    rows = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=2)
    square = np.einsum("nki,nkj->nij", rows, rows) + 1e-9 * np.eye(6)
    fit = np.linalg.solve(square, np.einsum("nki,nk->ni", rows, h)[..., None])
    rest = h - (rows @ fit)[..., 0]
    free = max(1, near.shape[1] - 6)
    return normal, heights, size[:, 0] * np.sqrt(np.einsum("nk,nk->n", rest, rest) / free)


def _is_outlier(x: Floats) -> Bools:
    from scipy.spatial import cKDTree

    distance, near = cKDTree(x).query(x, k=min(NEIGHBOURS + 1, len(x)))
    mean = distance[:, 1:].mean(axis=1)
    around = np.median(mean[near[:, 1:]], axis=1)
    return np.asarray((mean > _ALONE * around) | (mean > _FAR * np.median(mean)))


def _facing_out(x: Floats, planes: _Planes, noise: float) -> Floats:
    """The axes of the planes as outward normals [N, 3]."""
    chosen = _spread_out(x, min(_REPRESENTATIVES, len(x)))
    at = x[chosen] - planes.heights[chosen, None] * planes.axes[chosen]
    vectors, _, width = _vectors(at, noise)
    slope = winding_slopes(x, at, vectors, width)
    turn = np.where(np.einsum("nd,nd->n", slope, planes.axes) < 0, -1.0, 1.0)
    normals = turn[:, None] * planes.axes
    vote = np.einsum("nkd,nd->n", normals[planes.near[:, 1:]], normals)
    return np.where(vote[:, None] < 0, -normals, normals)


def _vectors(at: Floats, noise: float) -> tuple[Floats, float, float]:
    """Outward vectors [N, 3] at places [N, 3] in the unit box, how far apart these are, and the width of the sums."""
    from scipy.spatial import cKDTree

    apart = float(np.median(cKDTree(at).query(at, k=2)[0][:, 1]))
    width = max(_NARROW * apart, 2 * noise)
    return consistent_normals(at, width, _WIDE * width), apart, width


def _clear_share(x: Floats, normals: Floats, noise: float) -> float:
    """See `Scan.share`; of at most 4096 of the points."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(x).query(x, k=min(NEIGHBOURS + 1, len(x)))
    area = areas(distance)
    probes = np.linspace(0, len(x) - 1, min(_PROBES, len(x))).astype(np.int64)
    offset = _STEP * np.maximum(np.sqrt(area[probes]), 2 * noise)[:, None] * normals[probes]
    vectors = area[:, None] * normals / (4 * np.pi)
    width = 0.5 * float(np.sqrt(np.median(area)))
    outside, inside = (winding_numbers(x[probes] + way * offset, x, vectors, width) for way in (1, -1))
    return float(np.mean((outside < 0.5 - _SURE) & (inside > 0.5 + _SURE)))


def _spread_out(x: Floats, n: int) -> Ints:
    """Indices of n points, the first one and then always the one that is farthest from those before."""
    chosen = np.zeros(n, np.int64)
    _choose_farthest(x, chosen)
    return chosen


@compiled
def _choose_farthest(x: Any, chosen: Any) -> None:
    away = np.full(len(x), np.inf)
    last = 0
    for k in range(1, len(chosen)):
        a, b, c = x[last, 0], x[last, 1], x[last, 2]
        for i in range(len(x)):
            u, v, w = x[i, 0] - a, x[i, 1] - b, x[i, 2] - c
            away[i] = min(away[i], u * u + v * v + w * w)
        for i in range(len(x)):
            if away[i] > away[last]:
                last = i
        chosen[k] = last
