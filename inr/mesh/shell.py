"""`shell_of_fit`: a closed solid of a given thickness around the surface of a fit, signed or not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh._octree_grid import Reals
from inr.mesh.extract import MAX_RESOLUTION, Mesh, MeshResult, extract_mesh
from inr.mesh.fit_distance import FitDistance
from inr.mesh.measure import notes_on_specks
from inr.mesh.project import unit
from inr.signals.metrics import point_to_mesh

_ACROSS, _FINEST = 4, 2048  # cells through the shell by default, and the finest lattice that is chosen for that
_FREE = 0.02  # space around the shell, in sides of the fit's box
_FARTHEST = 10
_STEP = 2e-3  # of differences, in sides of the fit's box


def shell_of_fit(
    fit: Fit,
    thickness: float,
    resolution: int,
    *,
    level: float = 0.0,
    is_resolution_given: bool = True,
    dense: bool = False,
    keep_specks: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The solid {x : |f(x) - level| <= thickness / 2}, in the units of the fit; f are its distances.

    Around an open surface, whose distances have no sign, that is a closed solid with round edges. The lattice is of
    `resolution` cells along the fit's box and covers a larger one if the shell needs that; unless the resolution was
    given, the cells are small enough for four of them through the shell. Beyond the fit's box, a distance is that to
    the place of the surface that is nearest to the nearest point of the box. Raises UsageError for a thickness that is
    not positive, a fit without distances, and a negative level of distances without a sign.
    """
    if not (math.isfinite(thickness) and thickness > 0):
        raise UsageError(f"`shell` is {thickness:g}, expected a thickness above 0, in mesh units")
    check_level(fit, level)
    distance = FitDistance(fit, "a shell", has_unsigned=True)
    frame = _larger(fit, distance, max(0.0, level + thickness / 2))
    domain, side = frame.domain, frame.scale[0]
    n = round(resolution * side / distance.side)
    if not is_resolution_given:
        n = max(n, min(_FINEST, math.ceil(_ACROSS * side / thickness)))

    def values(x: Tensor) -> Tensor:
        found = _distance_beyond(distance, domain.from_unit(x.double()).numpy())
        return torch.from_numpy((np.abs(found - level) - thickness / 2) / side).float()

    result = extract_mesh(
        values, resolution=min(n, MAX_RESOLUTION), dense=dense, keep_specks=keep_specks, on_progress=on_progress
    )
    return dataclasses.replace(result.in_units(frame), notes=_notes(result, thickness, side))


def offset_of_fit(
    fit: Fit,
    level: float,
    surface: Mesh,
    resolution: int,
    *,
    method: str = "cubes",
    dense: bool = False,
    keep_specks: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The surface {x : f(x) = level}, level > 0, in a box that is larger than the fit's by the level on each side.

    surface: that of level 0, in the units of the fit; beyond its box, distances are those to it. There are at most
    twice `resolution` cells along the larger box. Raises UsageError for a level of more than 10 sides of the fit's box.
    """
    distance = FitDistance(fit, "an offset")
    if not level <= _FARTHEST * distance.side:
        raise UsageError(
            f"`level` is {level:g}, expected at most {_FARTHEST * distance.side:.4g}, {_FARTHEST} sides of the box"
        )
    frame = _larger(fit, distance, level)
    side = frame.scale[0]

    def values(x: Tensor) -> Tensor:
        p = frame.domain.from_unit(x.double()).numpy()
        is_beyond = ((p < distance.low) | (p > distance.high)).any(axis=1)
        found = np.empty(len(p))
        found[~is_beyond] = distance(p[~is_beyond])
        found[is_beyond] = point_to_mesh(p[is_beyond], surface.vertices, surface.faces)
        return torch.from_numpy((found - level) / side).float()

    n = round(resolution * min(2.0, side / distance.side))
    result = extract_mesh(
        values,
        resolution=min(n, MAX_RESOLUTION),
        method=method,
        dense=dense,
        keep_specks=keep_specks,
        on_progress=on_progress,
    )
    return result.in_units(frame)


def _larger(fit: Fit, distance: FitDistance, by: float) -> Frame:
    """A cube around the fit's box with this space and a little more on each side; values are in lengths of the cube."""
    grown = by + _FREE * max(fit.frame.domain.extent)
    low, side = distance.low - grown, distance.side + 2 * grown
    domain = Domain(tuple(low.tolist()), tuple((low + side).tolist()), fit.frame.domain.axes, fit.frame.domain.unit)
    return Frame(domain, (0.0,), (side,))


def _distance_beyond(distance: FitDistance, points: Reals) -> Reals:
    """Distances [N] at points p [N, 3] in the units of the fit. Beyond its box, with c the nearest point of the box and
    g the unit slope there, it is |p - (c - d(c) g)|, at least the true distance and equal to it for a sphere."""
    inside = np.clip(points, distance.low, distance.high)
    found = distance(inside).astype(np.float64)
    out = np.flatnonzero((inside != points).any(axis=1) & (found > 0))
    if len(out):
        c, step = inside[out], _STEP * distance.side
        slope = np.empty_like(c)
        for axis in range(3):
            ahead, behind = c.copy(), c.copy()
            ahead[:, axis] = np.minimum(ahead[:, axis] + step, distance.high[axis])
            behind[:, axis] = np.maximum(behind[:, axis] - step, distance.low[axis])
            slope[:, axis] = (distance(ahead) - distance(behind)) / (ahead[:, axis] - behind[:, axis])
        found[out] = np.linalg.norm(points[out] - (c - found[out, None] * unit(slope)), axis=1)
    return found


def check_level(fit: Fit, level: float) -> None:
    """Raise UsageError for a negative level of distances that have no sign."""
    if fit.spec.traits.is_unsigned and level < 0:
        raise UsageError(
            f"`level` is {level:g}, expected 0 or more: distances to an open surface have no sign",
            "0 is the surface itself",
        )


def _notes(result: MeshResult, thickness: float, side: float) -> tuple[str, ...]:
    notes = list(notes_on_specks(result.n_left_out))
    if thickness < 2 * side / result.resolution:
        notes.append(
            f"the shell is {thickness:.3g} thick, less than two cells of {side / result.resolution:.3g}: parts can be "
            "missing; use a higher `resolution`"
        )
    if result.n_cavities:
        n = result.n_cavities
        notes.append(
            f"the shell encloses {n} {'cavity' if n == 1 else 'cavities'} without an opening, from which powder or "
            "resin cannot leave"
        )
    return tuple(notes)
