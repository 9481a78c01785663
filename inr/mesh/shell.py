"""`shell_of_fit`: a closed solid of a given thickness around the surface of a fit, signed or not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh.continued_distance import larger_box, leaves_box
from inr.mesh.extract import Mesh, MeshResult
from inr.mesh.fit_distance import FitDistance
from inr.mesh.measure import notes_on_specks
from inr.mesh.offset import check_reach, extract_in

_ACROSS, _FINEST = 4, 2048  # cells through the shell by default, and the finest lattice that is chosen for that
CLIPPED = "the surface meets the walls of the box and was closed there"


def shell_of_fit(
    fit: Fit,
    thickness: float,
    resolution: int,
    surface: Callable[[], MeshResult],
    *,
    level: float = 0.0,
    coarser: Callable[[int], Mesh] | None = None,
    is_resolution_given: bool = True,
    **options: Any,
) -> MeshResult:
    """The solid {x : |f(x) - level| <= thickness / 2}, in the units of the fit; f are its distances.

    Around an open surface, whose distances have no sign, that is a closed solid with round edges. If it leaves the
    fit's box, a larger one is meshed, in which distances are those to the surface that `surface` gives, in the units of
    the fit; coarser: the same by a resolution, see `support`. There are `resolution` cells along the box that is
    meshed; unless the resolution was given, there are at least four through the shell. options: of `extract_mesh`.
    Raises UsageError for a thickness that is not positive, a fit without distances, a negative level of distances
    without a sign, and a shell that reaches further than 10 sides of the fit's box.
    """
    if not (math.isfinite(thickness) and thickness > 0):
        raise UsageError(f"`shell` is {thickness:g}, expected a thickness above 0, in mesh units")
    check_level(fit, level)
    distance = FitDistance(fit, "a shell", has_unsigned=True)
    reach = level + thickness / 2
    check_reach("shell", reach, distance.side)

    def extracted(by: float, given: MeshResult | None) -> MeshResult:
        frame = larger_box(fit, distance, by)
        side = frame.scale[0]
        n = resolution
        if not is_resolution_given:
            n = max(n, min(_FINEST, math.ceil(_ACROSS * side / thickness)))
        result = extract_in(frame, distance, given, coarser, level, n, thickness=thickness, **options)
        return dataclasses.replace(result, notes=_notes(result, thickness, side))

    if not leaves_box(fit, reach):
        result = extracted(0.0, None)
        if not result.is_clipped:
            return result
    given = surface()
    return extracted(reach, given) if len(given.faces) else extracted(0.0, None)


def check_level(fit: Fit, level: float) -> None:
    """Raise UsageError for a negative level of distances that have no sign."""
    if fit.spec.traits.is_unsigned and level < 0:
        raise UsageError(
            f"`level` is {level:g}, expected 0 or more: distances to an open surface have no sign",
            "0 is the surface itself",
        )


def _notes(result: MeshResult, thickness: float, side: float) -> tuple[str, ...]:
    notes = [CLIPPED] * result.is_clipped + list(notes_on_specks(result.n_left_out))
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
