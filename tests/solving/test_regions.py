"""Parts of a domain: which points are near its boundary, its corners and the start; residuals there."""

from __future__ import annotations

import math

import pytest
import torch

from inr.core.formula import parse_formula
from inr.solving import Problem, solve
from inr.solving.geometry import Box, Domain, Implicit, Polygon, Ring, Shape
from inr.solving.regions import regions_of

L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, -1.0))
SQUARE = Box(("x", "y"), (0.0, 0.0), (2.0, 1.0))
AROUND = Box(("x", "y"), (-1.2, -1.2), (1.2, 1.2))


def names(domain: Domain, *place: float) -> set[str]:
    found = regions_of(domain, torch.tensor([place], dtype=torch.float64))
    return {key for key, mask in found.items() if mask.all()}


@pytest.mark.parametrize(
    ("shape", "place", "regions"),
    [
        (SQUARE, (1.0, 0.5), {"interior"}),
        (SQUARE, (0.09, 0.5), {"boundary"}),  # 4.5 % of the length of x
        (SQUARE, (0.11, 0.5), {"interior"}),
        (SQUARE, (0.15, 0.92), {"corners"}),
        (SQUARE, (0.05, 0.99), {"boundary", "corners"}),
        (Ring((0.0, 0.0), 0.5, 1.0), (0.95, 0.0), {"boundary"}),
        (Ring((0.0, 0.0), 0.5, 1.0), (0.0, 0.56), {"boundary"}),
        (Ring((0.0, 0.0), 0.5, 1.0), (0.0, 0.75), {"interior"}),
        (Polygon(("x", "y"), L_SHAPE), (-0.02, -0.02), {"boundary", "corners"}),
        (Polygon(("x", "y"), L_SHAPE), (-0.5, 0.5), {"interior"}),
        (Implicit(AROUND, parse_formula("x**2 + y**2 - 1")), (0.0, -0.95), {"boundary"}),
    ],
)
def test_regions_of_places(shape: Shape, place: tuple[float, ...], regions: set[str]) -> None:
    assert names(Domain(("x", "y"), shape, None), *place) == regions


def test_time_and_periodic_axes() -> None:
    line = Domain(("x", "t"), Box(("x",), (0.0,), (1.0,)), (0.0, 2.0))
    assert names(line, 0.5, 0.1) == {"start"}
    assert names(line, 0.01, 0.1) == {"start", "boundary"}
    assert names(line, 0.5, 1.99) == {"interior"}
    around = Domain(("x", "y"), SQUARE, None, periodic=("x",))
    assert names(around, 0.01, 0.01) == {"boundary"}
    assert names(around, 0.01, 0.5) == {"interior"}


def test_residuals_by_region_make_up_the_whole() -> None:
    """The source is singular in one corner, where the equation holds least; 4 points per trained one are measured."""
    walls = {"on": "boundary", "equation": "u = 0"}
    problem = Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, [walls])
    errors = solve(problem, method="least_squares", features=150, scale=8.0, points=2000).errors
    assert {*errors.regions} == {"interior", "boundary", "corners"}
    assert errors.regions["corners"] > errors.residual > errors.regions["interior"]
    assert errors.n_points == 8000
    assert errors.to_json()["regions"] == errors.regions
    near = 1 - (1 - 2 * 0.05) ** 2
    assert errors.residual**2 >= near * errors.regions["boundary"] ** 2 * 0.99
    assert math.isclose(
        errors.residual, solve(problem, method="least_squares", features=150, scale=8.0, points=2000).errors.residual
    )
