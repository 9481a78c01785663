"""Domains from masks: where a picture is white, as the negative part of a smoothed distance to its outline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.errors import UsageError
from inr.core.formula import Node, name
from inr.signals import Source
from inr.signals.files.pictures import decode
from inr.solving.data import Interpolant
from inr.solving.equation import TIME
from inr.solving.geometry import Box, Implicit
from inr.solving.solids import file_beside

MARGIN = 3
"""Black pixels around the domain, which its outline needs."""
SMOOTHED = 1.5
"""Standard deviation, in pixels, that takes the steps of pixels from the outline."""


def masked_shape(
    table: Mapping[str, Any], axes: Mapping[str, tuple[float, float]], folder: Path | None
) -> Implicit | None:
    """The domain of a [geometry] table with `mask`: a picture that fills the axes, y upwards, at least half white
    inside. None for other tables.

    The outline is within about a pixel of the mask's, and round where the mask has corners. Raises UnreadableError for
    files, UsageError for masks that do not fit.
    """
    if "mask" not in table:
        return None
    space = tuple(axis for axis in axes if axis != TIME)
    if set(table) != {"mask"} or not isinstance(table["mask"], str):
        raise UsageError(f"[geometry] has {', '.join(map(str, table))}, expected mask = a file, and nothing else")
    if len(space) != 2:
        raise UsageError(f"a mask has two axes, and there are {len(space)} in space")
    path = file_beside(table["mask"], folder)
    pixels = decode(Source.of(path)).pixels
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else max(float(pixels.max()), 1e-300)
    colours = pixels[..., : 1 if pixels.shape[2] < 3 else 3].astype(np.float64).mean(-1)
    inside: NDArray[np.bool_] = (colours >= 0.5 * top)[::-1].T
    if not inside.any():
        raise UsageError(f"mask {path.name!r} selects no pixel, expected white in the domain")
    border = inside.copy()
    border[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    if border.any() or min(inside.shape) <= 2 * MARGIN:
        raise UsageError(
            f"mask {path.name!r} is white within {MARGIN} pixels of its border",
            "add a black margin, and extend the axes by as much",
        )
    low, high = (tuple(axes[axis][end] for axis in space) for end in (0, 1))
    lines = [a + (np.arange(n) + 0.5) / n * (b - a) for a, b, n in zip(low, high, inside.shape, strict=True)]
    distance = Interpolant("mask", lines, _distance(inside, [float(line[1] - line[0]) for line in lines]), "cubic")
    return Implicit(Box(space, low, high), Node("table", tuple(map(name, space)), table=distance))


def _distance(inside: NDArray[np.bool_], sides: list[float]) -> NDArray[np.float64]:
    """Smoothed distance [n, m] to the outline, negative inside. sides: of a pixel."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    half = sum(sides) / 4
    within, without = (distance_transform_edt(part, sampling=sides) for part in (inside, ~inside))
    found: NDArray[np.float64] = gaussian_filter(np.where(inside, half - within, without - half), SMOOTHED)
    return found
