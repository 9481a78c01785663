"""Parts of a domain for which errors are told apart: its interior, what is near the boundary, corners, the start."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from inr.solving.equation import TIME
from inr.solving.geometry import Box, Domain, Polygon, sides_of

NEAR_BOUNDARY, NEAR_CORNER, EARLY = 0.05, 0.1, 0.1
SAMPLES = 4000
"""Of a boundary other than that of a box; distances are to the planes that touch it there."""
AT_ONCE = 4000
"""Points that are looked at together, so that memory has a limit."""
REGIONS = {
    "interior": "everywhere else",
    "boundary": f"within {100 * NEAR_BOUNDARY:g} % of the domain's size of the boundary",
    "corners": f"within {100 * NEAR_CORNER:g} % of it of a corner",
    "start": f"in the first {100 * EARLY:g} % of the time",
}
"""What the names mean."""


def regions_of(domain: Domain, x: Tensor) -> Mapping[str, Tensor]:
    """Masks [N] of points [N, D] by name, as `REGIONS` has them; those without a point are left out.

    Corners are those of boxes of two or more axes that are not periodic, and of polygons; what is near one is near the
    boundary too. Sizes of a box are those along each axis.
    """
    near, corner = (_in_box if isinstance(domain.shape, Box) else _in_shape)(domain, x)
    early = torch.zeros_like(near)
    if domain.time is not None and TIME not in domain.periodic:
        low, high = domain.time
        early = x[:, domain.axes.index(TIME)] < low + EARLY * (high - low)
    found = {"interior": ~(near | corner | early), "boundary": near, "corners": corner, "start": early}
    return {key: mask for key, mask in found.items() if bool(mask.any())}


def _in_box(domain: Domain, x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = x.new_tensor(domain.low), x.new_tensor(domain.high)
    unit = (x - low) / (high - low)
    closed = [a for a, axis in enumerate(domain.axes) if axis != TIME and {*sides_of(axis)} & {*domain.walls}]
    ends = torch.minimum(unit, 1 - unit)[:, closed]
    none = torch.zeros(len(x), dtype=torch.bool)
    return (ends < NEAR_BOUNDARY).any(1), (ends < NEAR_CORNER).all(1) if len(closed) > 1 else none


def _in_shape(domain: Domain, x: Tensor) -> tuple[Tensor, Tensor]:
    shape = domain.shape
    where = [a for a, axis in enumerate(domain.axes) if axis != TIME]
    size = max(high - low for low, high in zip(shape.low, shape.high, strict=True))
    generator, n = Generator().manual_seed(5), max(50, SAMPLES // len(shape.sides))
    sides = [shape.on(side, n, generator) for side in shape.sides]
    places, normals = torch.cat([p.x for p in sides]), torch.cat([p.normals for p in sides])
    corners = x.new_tensor(shape.corners) if isinstance(shape, Polygon) else x.new_empty(0, len(where))
    near, corner = [], []
    for part in torch.split(x[:, where], AT_ONCE):
        closest = torch.cdist(part, places).argmin(1)
        away = ((part - places[closest]) * normals[closest]).sum(1).abs()
        near.append(away < NEAR_BOUNDARY * size)
        corner.append((torch.cdist(part, corners) < NEAR_CORNER * size).any(1))
    return torch.cat(near), torch.cat(corner)
