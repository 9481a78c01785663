"""Bounds are above the errors of poor solutions, and not far above; equations without theory have none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inr.solving import Problem, Solution, solve

BOX = {"x": (0, 1), "y": (0, 1)}
SPAN = {"x": (0, 1), "t": (0, 2)}
WALLS: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0"}]
START = {"on": "start", "equation": "u = sin(pi*x)"}
SQUARE = "sin(pi*x)*sin(2*pi*y)"
POISSON = f"-lap(u) = 5*pi**2*{SQUARE}"
DECAY = "exp(-t)*sin(pi*x)"
LARGEST: dict[str, Any] = {
    "built in": (POISSON, BOX, WALLS, SQUARE),
    "not built in": (POISSON, BOX, [{**WALLS[0], "hard": False, "weight": 1e-3}], SQUARE),
    "a condition times 0.01": (POISSON, BOX, [{"on": "boundary", "equation": "0.01*u = 0", "hard": False}], SQUARE),
    "diffusion with a current": (
        f"2*u_t = 0.2*u_xx - u_x - x*u + {DECAY}*(0.2*pi**2 - 2 + x) + pi*exp(-t)*cos(pi*x)", SPAN, [*WALLS, START],
        DECAY),
}  # fmt: skip


def solved(arguments: Any, **settings: Any) -> Solution:
    *given, exact = arguments
    problem = Problem.of(*given, reference={"exact": exact})
    return solve(problem, method="least_squares", **{"features": 14, "scale": 4.0, **settings})


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_error_is_below_its_bound(name: str) -> None:
    errors = solved(LARGEST[name]).errors
    error = errors.exact_max["u"]
    assert errors.bound is not None
    assert 1e-6 < error < errors.bound < 300 * error


def test_the_mean_error_of_waves_of_one_length_is_below_its_bound() -> None:
    """k^2 = 30 is between the eigenvalues 2 pi^2 = 19.7 and 5 pi^2 = 49.3 of the square."""
    exact = "sin(pi*x)*sin(pi*y)"
    found = solved((f"lap(u) + 30*u = (30 - 2*pi**2)*{exact}", BOX, WALLS, exact))
    error = found.errors.exact["u"] / 2  # the root mean square of the solution is 1/2
    assert found.errors.bound is None
    assert found.errors.bound_mean is not None
    assert 1e-6 < error < found.errors.bound_mean < 300 * error


def solution_of_the_string(points: torch.Tensor) -> torch.Tensor:
    x, t = points.T
    return torch.sin(torch.pi * x) * torch.cos(2 * torch.pi * t)


def test_the_mean_error_of_waves_in_time_is_below_its_bound() -> None:
    exact = "sin(pi*x)*cos(2*pi*t)"
    sides = [*WALLS, START, {"on": "start", "equation": "u_t = 0"}]
    found = solved(("u_tt = 4*u_xx", SPAN, sides, exact), features=40)
    bound = found.errors.bound_mean
    assert bound is not None
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    errors = []
    for t in (0.5, 1.3, 2.0):
        points = torch.stack([x, torch.full_like(x, t)], 1)
        wanted = solution_of_the_string(points)
        errors.append(float((found.values(points, "u")[:, 0] - wanted).square().mean().sqrt()))
    assert 1e-6 < max(errors) < bound < 300 * max(errors)


@pytest.mark.parametrize(
    ("equation", "axes", "conditions"),
    [
        ("u_t + u*u_x = 0.1*u_xx", SPAN, [*WALLS, START]),
        ("u_t = -0.1*u_xx", SPAN, [*WALLS, START]),
        ("u_t = 0.1*u_xx + u", SPAN, [*WALLS, START]),
        ("-lap(u) = 1", BOX, [{"on": "left", "equation": "dn(u) = 0"}, *WALLS]),
        ("lap(u) + 30*u = 1", BOX, [{**WALLS[0], "hard": False}]),
    ],
)
def test_other_equations_have_none(equation: str, axes: Any, conditions: Any) -> None:
    solution = solve(Problem.of(equation, axes, conditions), method="least_squares", features=10, scale=3.0)
    assert solution.errors.bound is None
    assert solution.errors.bound_mean is None
