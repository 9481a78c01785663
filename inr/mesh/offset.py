"""`offset_of_fit`: the surface at a distance from that of a fit, where it leaves the fit's box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inr.core.domain import Frame
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh.continued_distance import ContinuedDistance, larger_box, support
from inr.mesh.extract import Mesh, MeshResult, extract_mesh
from inr.mesh.fit_distance import FitDistance

_FARTHEST = 10


def offset_of_fit(
    fit: Fit,
    level: float,
    surface: MeshResult,
    resolution: int,
    *,
    coarser: Callable[[int], Mesh] | None = None,
    **options: Any,
) -> MeshResult:
    """The surface {x : f(x) = level}, level > 0, in a box that is larger than the fit's by the level on each side.

    surface: that of level 0, in the units of the fit, to which distances are taken beyond its box. coarser: the same by
    a resolution, see `support`. resolution: cells along the larger box. options: of `extract_mesh`. Raises UsageError
    for a level of more than 10 sides of the fit's box.
    """
    distance = FitDistance(fit, "an offset", has_unsigned=True)
    check_reach("level", level, distance.side)
    return extract_in(larger_box(fit, distance, level), distance, surface, coarser, level, resolution, **options)


def extract_in(
    frame: Frame,
    distance: FitDistance,
    surface: MeshResult | None,
    coarser: Callable[[int], Mesh] | None,
    level: float,
    resolution: int,
    *,
    thickness: float = 0.0,
    **options: Any,
) -> MeshResult:
    """The surface {x : f(x) = level}, or with a thickness the solid {x : |f(x) - level| <= thickness / 2}, in the
    fit's units, in the box of `frame`. surface: as above; None: distances beyond the fit's box are the fit's own.
    """
    side = frame.scale[0]
    found = surface if surface is None or coarser is None else support(surface, coarser, side / resolution)
    continued = ContinuedDistance(distance, frame, found, 0.5 / resolution)

    def values(x: Tensor) -> Tensor:
        away = continued(x) - level / side
        return (away.abs() - thickness / (2 * side) if thickness else away).float()

    def slope(x: Tensor) -> Tensor:
        given = continued.slope(x)
        return torch.sign(continued(x) - level / side)[:, None] * given if thickness else given

    return extract_mesh(values, resolution=resolution, gradient=slope, **options).in_units(frame)


def check_reach(name: str, reach: float, side: float) -> None:
    """Raise UsageError for a surface further than 10 sides of a fit's box from that of the fit."""
    if not reach <= _FARTHEST * side:
        raise UsageError(
            f"`{name}` is {reach:g}, expected at most {_FARTHEST * side:.4g}, {_FARTHEST} sides of the box"
        )
