"""Finite differences agree with closed forms to second order, and refuse what they cannot state."""

from __future__ import annotations

import pytest

from inr.core.errors import UsageError
from inr.solving import Problem, solve
from inr.solving.finite_difference import check

BOX = {"x": (0, 1), "y": (0, 1)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]
SOURCE = "-lap(u) = 2*pi**2*sin(pi*x)*sin(pi*y)"


@pytest.mark.parametrize(
    ("problem", "at_most"),
    [
        (Problem.of(SOURCE, BOX, WALLS), 3e-3),
        (Problem.of("u_xx + x*u_x - u**3 = 6*x + 3*x**3 - x**9", {"x": (0, 1)},
                    [{"on": "left", "equation": "u = 0"}, {"on": "right", "equation": "dn(u) = 3"}]), 1e-2),
        (Problem.of("lap(u) + u_xy = 2 + 2 + 1", BOX,
                    [{"on": "boundary", "equation": "u = x**2 + y**2 + x*y"}]), 1e-9),
        (Problem.of("lap(E) + 4*E = 0", BOX, [{"on": "boundary", "equation": "E = exp(2*i*x)"}],
                    fields={"E": {"complex": True}}), 1e-3),
    ],
)  # fmt: skip
def test_solutions_agree(problem: Problem, at_most: float) -> None:
    solution = solve(problem, method="least_squares", features=120, scale=5.0)
    found = check(problem, solution.field, 32)
    assert found.difference < at_most
    assert found.difference < 2 * found.own_error + 1e-9
    assert check(problem, solution.field, 16).own_error > found.own_error - 1e-12
    assert "finite differences with 32 cells" in found.sentence


def test_a_wrong_solution_is_noticed() -> None:
    problem = Problem.of(SOURCE, BOX, WALLS)
    wrong = solve(Problem.of("-lap(u) = 19*sin(pi*x)*sin(pi*y)", BOX, WALLS), method="least_squares", features=60)
    found = check(problem, wrong.field, 32)
    assert found.difference > 5 * found.own_error


@pytest.mark.parametrize(
    ("problem", "n", "message"),
    [
        (Problem.of("u_t = u_xx", {"x": (0, 1), "t": (0, 1)}, [
            {"on": ["left", "right"], "equation": "u = 0"}, {"on": "start", "equation": "u = x"}]), 16, "without time"),
        (Problem.of("lap(u) = 1", BOX, WALLS, geometry={"disc": {"radius": 1}}), 16, "for boxes"),
        (Problem.of("lap(u) = 1", BOX, WALLS), 7, "an even number"),
        (Problem.of("lap(u) = 1", BOX, WALLS), 2000, "at most 300000"),
        (Problem.of("lap(u) = 1", BOX, [{"on": "boundary", "equation": "dn(u) = 1"}]), 16, "free constants"),
    ],
)  # fmt: skip
def test_what_it_refuses(problem: Problem, n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(problem, None, n)
