"""Simple solids: distances to points of their surfaces, volumes, and sizes that are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from tests.fields.solids import built, steepest, values

SOLIDS: dict[str, tuple[list[float], float]] = {
    "sphere": ([0.5, 0.4, 0.6, 0.3], 4 / 3 * math.pi * 0.027),
    "box": ([0.5, 0.4, 0.6, 0.5, 0.4, 0.3], 0.06),
    "cylinder": ([0.5, 0.4, 0.6, 0.2, 0.5], math.pi * 0.04 * 0.5),
    "torus": ([0.5, 0.4, 0.6, 0.25, 0.1], 2 * math.pi**2 * 0.25 * 0.01),
    "plane": ([0.0, 3.0, 0.0, 1.2], 0.4),
}


def _document(solid: str, numbers: list[float] | None = None) -> dict[str, Any]:
    return {"type": "primitive", "solid": solid, "numbers": SOLIDS[solid][0] if numbers is None else numbers}


@pytest.mark.parametrize("solid", SOLIDS)
def test_the_inside_has_the_volume_and_the_value_is_the_distance(solid: str) -> None:
    n = 64
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    x = torch.cartesian_prod(axis, axis, axis)
    d = values(_document(solid), x)
    assert float((d < 0).double().mean()) == pytest.approx(SOLIDS[solid][1], rel=0.05)
    field = built(_document(solid))
    at = x[::37].clone().requires_grad_()
    value = field(at)[:, 0]
    (slope,) = torch.autograd.grad(value.sum(), at)
    assert torch.allclose(slope.norm(dim=1), torch.ones(len(at), dtype=torch.float64), atol=1e-9)
    assert (
        float(field((at - value[:, None] * slope).detach()).detach().abs().max()) <= 1e-9
    )  # a step of the distance is on the surface
    assert steepest(_document(solid), 10_000) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("solid", "numbers", "message"),
    [
        ("sphere", [0, 0, 0], "has 3 numbers, a sphere has 4"),
        ("sphere", [0, 0, 0, 0], "a sphere has a size of 0, expected more than 0"),
        ("box", [0, 0, 0, 1, -1, 1], "a box has a size of -1, expected more than 0"),
        ("plane", [0, 0, 0, 1], "the normal of a plane is 0"),
    ],
)
def test_sizes_without_sense_are_refused(solid: str, numbers: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        built(_document(solid, numbers))
