"""A closed mesh through cross-sections: the zero set of a function that satisfies what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inr.core.errors import EmptyError
from inr.signals.solids.boundary import Boundary
from inr.signals.solids.bounded_spline import BoundedSpline
from inr.signals.solids.faces import Faces, Floats, volume
from inr.signals.solids.sections import FAR, Section
from inr.signals.solids.slice_bounds import (
    LEAST,
    LEAST_PARALLEL,
    SliceBounds,
    all_over,
    beside_contours,
    in_plane,
    on_contours,
    walls,
)

MOST_PLANES = 64
"""Of which a spline is tried."""

_FIRST, _MORE = 1100, 500
_TRIED = 2**15
_GOOD = 0.98
"""Share of the inside of the planes that the spline has to get right; else parallel planes are interpolated."""
_COARSE, _FINE = 48, 144
SIDES = 192
"""Cells of the interpolated lattice along its longest side."""

_PARALLEL = 1e-6
_NONE = "the slices leave no volume between them", "look at the planes: their units, normals and order"


def mesh_of_sections(sections: Sequence[Section]) -> Boundary:
    """The boundary of the solid that sections in the unit box cut.

    Its function is the smoothest one within the bounds of `SliceBounds` (`BoundedSpline`), at 1100 points of the
    planes and then at the worst others. Contours with more detail than that, in parallel planes, have their
    signed distances within the planes interpolated instead, by modified Akima splines (shape-based interpolation, Raya
    and Udupa 1990).
    Parallel planes: the solid ends before the next plane beyond each end, which would be as far as the last gap.
    Raises EmptyError if nothing is inside.
    """
    is_parallel = are_parallel(sections)
    if is_parallel:
        sections = _with_ends(sections)
    found = None
    if len(sections) <= MOST_PLANES:
        spline, share = _spline(sections, LEAST_PARALLEL if is_parallel else LEAST)
        if share >= _GOOD or not is_parallel:
            found = _of_spline(spline)
    vertices, faces = _between(sections) if found is None else found
    if not len(faces):
        raise EmptyError(*_NONE)
    if volume(vertices, faces) < 0:
        faces = faces[:, ::-1].copy()
    return Boundary(vertices, faces, vertices, faces, n_flipped=0, buried=0.0, is_cut=False)


def are_parallel(sections: Sequence[Section]) -> bool:
    n = sections[0].normal
    return all(float(np.linalg.norm(np.cross(n, each.normal))) < _PARALLEL for each in sections)


def _with_ends(sections: Sequence[Section]) -> list[Section]:
    """Parallel sections in order, from the last empty one before those with contours to the next one after them.

    A missing one is added a gap away.
    """
    n = sections[0].normal
    ordered = sorted(sections, key=lambda each: float(each.origin @ n))
    filled = [k for k, each in enumerate(ordered) if not each.is_empty]
    kept = ordered[max(filled[0] - 1, 0) : filled[-1] + 2]
    levels = [float(each.origin @ n) for each in kept]
    ends = []
    for end, beside, side in ((0, 1, -1.0), (-1, -2, 1.0)):
        if not kept[end].is_empty:
            gap = abs(levels[end] - levels[beside])
            ends.append(Section(kept[end].origin + side * gap * n, kept[end].frame, ()))
    return [
        *[e for e in ends if float(e.origin @ n) < levels[0]],
        *kept,
        *[e for e in ends if float(e.origin @ n) > levels[-1]],
    ]


def _spline(sections: Sequence[Section], least: float) -> tuple[BoundedSpline, float]:
    """The spline, and the intersection over union of its inside and that of the sections, on their planes."""
    generator = np.random.default_rng(0)
    lengths = [float(np.linalg.norm(each.ends - each.starts, axis=1).sum()) for each in sections]
    total = sum(lengths)
    parts = [walls()]
    for each, length in zip(sections, lengths, strict=True):
        if length:
            parts.append(on_contours(each, max(16, round(0.55 * _FIRST * length / total)), least))
        parts.append(in_plane(each, all_over(each, max(8, round(0.2 * _FIRST / len(sections))), generator), least))
    bounds = SliceBounds.joined(parts).distinct()
    spline = BoundedSpline(bounds.points, bounds.low, bounds.high)
    per_plane = _TRIED // len(sections)
    tried = []
    for each in sections:
        at = [all_over(each, per_plane // 2, generator)]
        if not each.is_empty:
            at.append(beside_contours(each, per_plane // 2, generator))
        tried.append(in_plane(each, np.concatenate(at), least))
    probes = SliceBounds.joined(tried)
    f = spline(probes.points)
    excess = np.maximum(probes.low - f, f - probes.high)
    worst = np.argsort(-excess)[: 4 * _MORE]
    worst = worst[excess[worst] > 0]
    if len(worst):
        more = SliceBounds.joined([bounds, probes[generator.permutation(worst)[:_MORE]]]).distinct()
        spline = BoundedSpline(more.points, more.low, more.high)
        f = spline(probes.points)
    is_in, was_in = f < 0, probes.high < 0
    return spline, float((is_in & was_in).sum() / max(1, (is_in | was_in).sum()))


def _of_spline(spline: BoundedSpline) -> tuple[Floats, Faces]:
    """The zero set, from values on 48^3 points that are interpolated to 144^3 by cubic splines."""
    from scipy.ndimage import zoom

    at = np.linspace(0, 1, _COARSE)
    x = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1).reshape(-1, 3)
    values = zoom(spline(x).reshape((_COARSE,) * 3), _FINE / _COARSE, order=3, mode="nearest", grid_mode=False)
    return _surface(values, np.zeros(3), np.full(3, 1 / (_FINE - 1)))


def _surface(values: Floats, low: Floats, step: Floats) -> tuple[Floats, Faces]:
    """Vertices [V, 3] and faces [F, 3] of the zero set of values on a lattice, closed at its walls."""
    from skimage.measure import marching_cubes

    values = np.pad(values, 1, constant_values=max(float(values.max()), 1e-6))
    if not values.min() < 0 < values.max():
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices, faces, _, _ = marching_cubes(values, 0.0)
    return (vertices.astype(np.float64) - 1) * step + low, faces.astype(np.int64)


def _between(sections: Sequence[Section]) -> tuple[Floats, Faces]:
    """Parallel sections with `_with_ends`: their distances on a lattice, interpolated along the normal."""
    from scipy.interpolate import Akima1DInterpolator

    frame = sections[0].frame
    levels = np.array([each.origin @ frame[2] for each in sections])
    seen = np.concatenate([each.vertices @ frame[:2].T for each in sections if not each.is_empty])
    margin = 4 / SIDES
    low, high = seen.min(axis=0) - margin, seen.max(axis=0) + margin
    step = float(max((high - low).max(), levels[-1] - levels[0])) / SIDES
    axes = [start + step * np.arange(math.ceil((end - start) / step) + 1) for start, end in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    flat = [
        each.distance(each.to_plane(grid @ frame[:2] + level * frame[2]))
        for each, level in zip(sections, levels, strict=True)
    ]
    values = np.stack(flat, axis=-1)
    depth = -float(values.min())
    values = np.where(values >= FAR, depth, np.minimum(values, 2 * depth))  # an empty plane: ends halfway where deepest
    z = levels[0] + step * np.arange(1, math.ceil((levels[-1] - levels[0]) / step))
    found = Akima1DInterpolator(levels, values, axis=1, method="makima")(z)
    found = found.reshape(len(axes[0]), len(axes[1]), len(z))
    vertices, faces = _surface(found, np.array([axes[0][0], axes[1][0], z[0]]), np.full(3, step))
    return vertices @ frame, faces
