"""`offset_of_fit`: the surface at a distance from that of a fit, where it leaves the fit's box."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

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
    method: str = "cubes",
    dense: bool = False,
    keep_specks: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The surface {x : f(x) = level}, level > 0, in a box that is larger than the fit's by the level on each side.

    surface: that of level 0, in the units of the fit, to which distances are taken beyond its box. coarser: the same by
    a resolution, see `support`. resolution: cells along the larger box. Raises UsageError for a level of more than 10
    sides of the fit's box.
    """
    distance = FitDistance(fit, "an offset", has_unsigned=True)
    check_reach("level", level, distance.side)
    frame = larger_box(fit, distance, level)
    side = frame.scale[0]
    found = surface if coarser is None else support(surface, coarser, side / resolution)
    continued = ContinuedDistance(distance, frame, found, 0.5 / resolution)

    def values(x: Tensor) -> Tensor:
        return (continued(x) - level / side).float()

    result = extract_mesh(
        values,
        resolution=resolution,
        gradient=continued.slope,
        method=method,
        dense=dense,
        keep_specks=keep_specks,
        on_progress=on_progress,
    )
    return result.in_units(frame)


def check_reach(name: str, reach: float, side: float) -> None:
    """Raise UsageError for a surface further than 10 sides of a fit's box from that of the fit."""
    if not reach <= _FARTHEST * side:
        raise UsageError(
            f"`{name}` is {reach:g}, expected at most {_FARTHEST * side:.4g}, {_FARTHEST} sides of the box"
        )
