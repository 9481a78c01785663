"""The solid that a closed cloud of oriented points bounds: signed distances from the points, without a mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Generator

from inr.signals.solids.clouds import NEIGHBOURS, point_areas
from inr.signals.solids.distances import EXACT, cells_of, uniform
from inr.signals.solids.faces import Bools, Floats, Ints
from inr.signals.solids.indicators import INDICATORS

_NEAR = 16
_CHUNK = 2**15

_KERNEL, _WIDE_KERNEL = 1.3, 2.0
"""Widths of the weight of neighbours, in spacings: for values, and to smooth noise."""

_ROUGH = 0.1
"""Median distance of the points from the spheres through their neighbours, in spacings, above which they are noisy."""

_STRAY = 0.02
"""Median difference of normals from their regression above which they are smoothed twice."""

_RIDGE = 0.02

_FINEST = 4096
"""Points in one cell of this many along the box become one: nothing finer is fitted or meshed."""

_CANCELLED = 0.1

_ALONE, _SHARE, _ASIDE = 3.0, 0.25, 0.3
_ROUNDS, _LEAST = 4, 0.9
"""A point is left out if at least this share of its neighbours are this many times closer to theirs, and it stands off
the surface of those: this share of the way to them goes along their normals."""

_BLEND = 2.0, 4.0
"""Distances, in spacings, between which the fitted sphere gives way to the nearest point."""

_COARSE = 64
"""Far from the surface, one point is looked at in each cell of this many along the box."""

_PROBES, _MOST = 4096, 0.98

_CONTRAST = 1.5
"""Factor on the indicator, which noise keeps from its levels of 1 and -1."""


class CloudSolid:
    """A closed surface through oriented points in the unit box, normals outward.

    Near the points a value is the distance to a sphere that fits the `_NEAR` nearest points and their normals
    (algebraic point set surfaces: Guennebaud, Gross 2007), where those count little whose normals point another way, so
    that edges stay. Further out it is the distance of the nearest point, with the sign of the `Indicator`; where the
    indicator leaves its two levels, as in a hole, the distance fades to 0 with it. Before, normals are smoothed by a
    linear regression over neighbours that point about the same way, and where the points scatter about the surface
    they are moved onto it.
    """

    def __init__(self, points: Floats, normals: Floats) -> None:
        """points, normals: [N, 3], N > `NEIGHBOURS`, different points, normals of unit length."""
        from scipy.spatial import cKDTree

        self._place(points)
        self._normals = normals
        self._smooth_normals()
        off = self._offsets()
        if np.median(np.abs(off) / self._spacing) > _ROUGH:
            for _ in range(2):
                off = np.clip(off, -self._spacing, self._spacing)
                self._place(np.clip(self._points - off[:, None] * self._normals, 0, 1))
                off = self._offsets()
        self._indicator = INDICATORS["poisson"](self._points, self._normals, self._area)
        self._coarsest = 4 / 3 * self._indicator.cell
        self._sparse = one_per_cell(self._points, _COARSE)
        self._sparse_tree: Any = cKDTree(self._points[self._sparse])
        probes = self.surface(_PROBES, torch.Generator().manual_seed(0))
        self.low, self.high = probes.min(axis=0), probes.max(axis=0)
        self.slack = max(EXACT, 2 * float(np.quantile(np.abs(self.distance(probes)), _MOST)))

    def distance(self, x: Floats) -> Floats:
        order = np.argsort(cells_of(x), kind="stable")  # neighbours visit the same part of the tree
        found = np.empty(len(x))
        for here in _chunks(len(x)):
            found[order[here]] = self._distance(np.asarray(x[order[here]], np.float64))
        return found

    def depth(self, x: Floats) -> Floats:
        return -self.distance(x)

    def surface(self, n: int, generator: Generator) -> Floats:
        draws = uniform(n, 3, generator)
        area_so_far = np.cumsum(self._area)
        of = np.searchsorted(area_so_far, draws[:, 0] * area_so_far[-1], side="right").clip(max=len(self._points) - 1)
        angle, radius = 2 * np.pi * draws[:, 1], np.sqrt(draws[:, 2] / np.pi) * self._spacing[of]
        across, along = _tangents(self._normals[of])
        disc = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * along
        found: Floats = self._points[of] + radius[:, None] * disc
        for here in _chunks(n):
            i = of[here]
            for _ in range(2):
                step = self._fitted(found[here], self._near[i], self._spacing[i], _KERNEL)
                step = np.clip(step, -self._spacing[i], self._spacing[i])
                found[here] = np.clip(found[here] - step[:, None] * self._normals[i], 0, 1)
        return found

    # -- values

    def _distance(self, x: Floats) -> Floats:
        side = self._indicator(x)
        distance, nearest = self._sparse_tree.query(x)
        spacing = np.maximum(self._spacing[self._sparse[nearest]], 1 / _COARSE)
        found: Floats = _above(distance, spacing) * np.clip(_CONTRAST * side, -1, 1)
        close = np.flatnonzero(distance < _BLEND[1] * np.maximum(spacing, self._coarsest) + 2 / _COARSE)
        if len(close):
            found[close] = self._close(x[close], side[close])
        return found

    def _close(self, x: Floats, side: Floats) -> Floats:
        """Values [N] at points [N, 3] near the surface, where the indicator is `side`."""
        distance, near = self._tree.query(x, k=min(_NEAR, len(self._points)))
        distance, spacing = distance[:, 0], self._spacing[near[:, 0]]
        coarse = np.maximum(spacing, self._coarsest)
        size = _above(distance, spacing)
        value = self._fitted(x, near, spacing, _KERNEL)
        # beyond an edge the nearest points may be those of a face seen edge-on: there the indicator is more reliable
        agreement = value * np.sign(side) / np.maximum(distance, 1e-300)
        doubt = 1 - _smoothstep(agreement, 0, 0.5)
        doubt *= _smoothstep(np.abs(side), 0.55, 0.85) * _smoothstep(distance / coarse, 0.6, 1.2)
        by_indicator = np.maximum(_smoothstep(distance / coarse, *_BLEND), doubt)
        by_nearest = np.maximum(_smoothstep(distance / spacing, *_BLEND), doubt)
        signs = np.sign(value) + by_indicator * (np.clip(_CONTRAST * side, -1, 1) - np.sign(value))
        return value + by_nearest * (size * signs - value)

    def _fitted(self, x: Floats, near: Ints, spacing: Floats, kernel: float) -> Floats:
        """Signed distances of points [N, 3] from the spheres that fit the points `near` [N, K] and their normals."""
        p, n = self._points[near] - x[:, None], self._normals[near]
        square = np.einsum("nkd,nkd->nk", p, p)
        apart = n - n[:, :1]
        weight = np.exp((square[:, :1] - square) / (kernel * spacing[:, None]) ** 2)
        weight *= self._area[near] * np.exp(-2 * np.einsum("nkd,nkd->nk", apart, apart))
        weight /= weight.sum(axis=1, keepdims=True)
        mean_p, mean_n = np.einsum("nk,nkd->nd", weight, p), np.einsum("nk,nkd->nd", weight, n)
        mean_square = np.einsum("nk,nk->n", weight, square)
        # f(q) = constant + slope . q + bend |q|^2, whose gradient fits the normals and whose mean on the points is 0
        spread = mean_square - np.einsum("nd,nd->n", mean_p, mean_p)
        turn = np.einsum("nk,nkd,nkd->n", weight, p, n) - np.einsum("nd,nd->n", mean_p, mean_n)
        bend = np.clip(turn / np.maximum(2 * spread, 1e-300), -0.5 / spacing, 0.5 / spacing)
        slope = mean_n - 2 * bend[:, None] * mean_p
        constant = -np.einsum("nd,nd->n", slope, mean_p) - bend * mean_square
        steepness = np.einsum("nd,nd->n", slope, slope)
        root = np.sqrt(np.maximum(steepness - 4 * bend * constant, 0))
        value: Floats = 2 * constant / np.maximum(np.sqrt(steepness) + root, 1e-300)
        return value

    # -- preparation of the points

    def _place(self, points: Floats) -> None:
        """Take the points, and find their neighbours, the areas that they represent and the spacing around each."""
        from scipy.spatial import cKDTree

        self._points = points
        self._tree: Any = cKDTree(points)
        distance, self._near = self._tree.query(points, k=min(_NEAR + 1, len(points)))
        self._area = point_areas(distance)
        self._spacing = np.sqrt(self._area[self._near[:, : NEIGHBOURS + 1]].mean(axis=1))

    def _offsets(self) -> Floats:
        """Distances [N] of the points from the smooth surface among them."""
        parts = [
            self._fitted(self._points[here], self._near[here], self._spacing[here], _WIDE_KERNEL)
            for here in _chunks(len(self._points))
        ]
        return np.concatenate(parts)

    def _smooth_normals(self) -> None:
        """Regress the normals on the points around each, without those that point another way, as behind an edge."""
        chunks = list(_chunks(len(self._points)))
        stray = np.concatenate([self._regressed(here, np.inf)[1] for here in chunks])
        noise = float(np.median(stray))
        for _ in range(2 if noise > _STRAY else 1):
            self._normals = np.concatenate([self._regressed(here, max(0.25, 2.5 * noise))[0] for here in chunks])

    def _regressed(self, here: slice, scale: float) -> tuple[Floats, Floats]:
        """Normals [N, 3] by regression at some of the points, and how far the normals around differ from it.

        scale: difference of normals that counts as another way.
        """
        near = self._near[here]
        p, n = self._points[near] - self._points[here][:, None], self._normals[near]
        p /= self._spacing[here][:, None, None]
        apart = n - n[:, :1]
        weight = np.exp(-np.einsum("nkd,nkd->nk", p, p) / 4 - np.einsum("nkd,nkd->nk", apart, apart) / scale**2)
        weight /= weight.sum(axis=1, keepdims=True)
        rows = np.concatenate([np.ones_like(p[..., :1]), p], axis=2)
        weighted = np.swapaxes(rows * weight[..., None], 1, 2)
        fit = np.linalg.solve(weighted @ rows + np.diag([0, _RIDGE, _RIDGE, _RIDGE]), weighted @ n)
        rest = rows @ fit - n
        stray = np.sqrt(np.einsum("nk,nkd,nkd->n", weight, rest, rest))
        length = np.linalg.norm(fit[:, 0], axis=1, keepdims=True)
        return np.where(length > 1e-3, fit[:, 0] / np.maximum(length, 1e-3), n[:, 0]), stray


def distinct(points: Floats) -> Ints:
    """Indices of the different points [N, 3], the first of each."""
    return np.unique(points, axis=0, return_index=True)[1]


def without_strays(points: Floats, normals: Floats) -> Ints:
    """Indices of different points [N, 3], with normals, but for the few isolated ones off the surface of the others."""
    kept = np.arange(len(points))
    for _ in range(_ROUNDS):
        is_kept = ~_is_stray(points[kept], normals[kept])
        if is_kept.all():
            return kept
        kept = kept[is_kept]
        if len(kept) < _LEAST * len(points):
            return np.arange(len(points))
    return kept


def _is_stray(points: Floats, normals: Floats) -> Bools:
    from scipy.spatial import cKDTree

    distance, near = cKDTree(points).query(points, k=NEIGHBOURS + 1)
    near = near[:, 1:]
    is_closer = distance[:, -1][near] * _ALONE < distance[:, -1:]
    i = np.flatnonzero(is_closer.mean(axis=1) >= _SHARE)
    away = points[i][:, None] - points[near[i]]
    aside = np.abs(np.einsum("nkd,nkd->nk", away, normals[near[i]])) / np.linalg.norm(away, axis=2)
    found = np.zeros(len(points), bool)
    found[i] = np.average(aside, axis=1, weights=is_closer[i]) > _ASIDE
    return found


def merged(points: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """Means of the points [N, 3] in each cell, and of their normals, without cells whose normals cancel."""
    low = points.min(axis=0)
    cell = np.rint((points - low) * (_FINEST / float((points - low).max()))).astype(np.int64)
    _, of = np.unique(cell @ np.array([1, 2 * _FINEST, 4 * _FINEST**2]), return_inverse=True)
    count = np.bincount(of)

    def mean(values: Floats) -> Floats:
        return np.stack([np.bincount(of, column) for column in values.T], axis=1) / count[:, None]

    points, normals = low + mean(points - low), mean(normals)
    length = np.linalg.norm(normals, axis=1)
    kept = length > _CANCELLED
    return points[kept], normals[kept] / length[kept, None]


def one_per_cell(points: Floats, n: int) -> Ints:
    """Indices of points [N, 3] in the unit box, one in each cell of n along a side that has any."""
    cell = np.floor(points * n).astype(np.int64)
    return np.sort(np.unique(cell @ np.array([1, 2 * n, 4 * n * n]), return_index=True)[1])


def _above(distance: Floats, spacing: Floats) -> Floats:
    """How far away a surface is whose nearest point, one of many a spacing apart, is at a distance.

    That point lies aside of the foot of the perpendicular, by spacing^2 / pi in the mean square.
    """
    height: Floats = np.sqrt(distance**2 - np.minimum(spacing**2 / np.pi, distance**2 / 2))
    return height


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, n, _CHUNK))


def _smoothstep(value: Floats, low: float, high: float) -> Floats:
    """0 below low, 1 above high, and smooth between."""
    t: Floats = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _tangents(normals: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors [N, 3] across each normal and across each other."""
    across = np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return across, np.cross(normals, across)
