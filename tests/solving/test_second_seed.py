"""Solutions of two seeds agree to about their errors; where they are not unique, they do not."""

from __future__ import annotations

from typing import Any

from torch import Generator

from inr.solving import Problem, solve
from inr.solving.second_seed import second_seed

BOX = {"x": (0, 1), "y": (0, 1)}
EXACT = "sin(pi*x)*sin(pi*y)"
WALLS: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0"}]
QUICK: dict[str, Any] = {"method": "least_squares", "features": 40, "scale": 4.0}


def test_the_difference_is_about_the_error() -> None:
    problem = Problem.of(f"-lap(u) = 2*pi**2*{EXACT} + 1", BOX, WALLS, reference={"exact": EXACT}, solve=QUICK)
    fine = solve(problem, features=300, scale=16.0)
    solution = solve(problem)
    found = second_seed(problem, solution)
    x = problem.domain.inside(500, Generator().manual_seed(0)).x
    error = float((solution.values(x, "u") - fine.values(x, "u")).norm() / fine.values(x, "u").norm())
    assert error / 10 < found.difference < 10 * error
    assert found.sentence.startswith("differs by ")
    assert "seed 1" in found.sentence


def test_constants_that_nothing_determines_do_not_count_and_eigenvalues_are_compared() -> None:
    flux = [{"on": "boundary", "equation": "dn(u) = 0"}]
    problem = Problem.of("lap(u) = cos(pi*x)", BOX, flux, solve=QUICK | {"features": 100})
    assert second_seed(problem, solve(problem)).difference < 1e-3
    states = Problem.of("-u_xx = E*u", {"x": (0, 1)}, WALLS, problem={"kind": "eigen", "states": 2},
                        solve={"features": 30})  # fmt: skip
    assert second_seed(states, solve(states)).difference < 1e-6
