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


ROUND = {"x": (-2, 2), "y": (-2, 2)}
RING = [{"on": "inner", "equation": "u = 0"}, {"on": "outer", "equation": "u = 1"}]
CUBIC = "x**3 - 3*x*y**2 + x*y"
SHAPES = {
    "annulus": ("lap(u) = 0", ROUND, RING, {"annulus": {"inner": 1, "outer": 2}}, 1e-3),
    "disc, first derivatives": (
        "lap(u) + x*u_x - u_y = 4 + 2*x**2 - 2*y", ROUND, [{"on": "boundary", "equation": "u = x**2 + y**2"}],
        {"disc": {"radius": 1.7, "center": [0.1, 0.05]}}, 1e-9),
    "sides of a polygon": (
        "lap(u) = 0", ROUND,
        [{"on": "side2", "equation": f"u = {CUBIC} + 0*x"}, {"on": "boundary", "equation": f"u = {CUBIC}"}],
        {"polygon": [[-1, -1], [1, -0.7], [0.3, 1]]}, 1e-3),
    "a formula": ("lap(u) - u**2 = 4 - (x**2 + y**2)**2", ROUND, [{"on": "boundary", "equation": "u = x**2 + y**2"}],
                  {"sdf_expression": "x**2 + 2*y**2 - 1"}, 1e-5),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_boundary_cuts_the_lattice(name: str) -> None:
    equation, axes, conditions, geometry, at_most = SHAPES[name]
    problem = Problem.of(equation, axes, conditions, geometry=geometry)
    solution = solve(problem, method="least_squares", features=150, scale=5.0)
    coarse, fine = check(problem, solution.field, 16), check(problem, solution.field, 32)
    assert fine.difference < at_most
    assert fine.difference < coarse.difference / 2 + 1e-8 + at_most / 10
    assert fine.difference < 3 * fine.own_error + at_most / 10


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
        (Problem.of("lap(u) = 1", BOX, [{"on": "boundary", "equation": "dn(u) + u = 1"}],
                    geometry={"disc": {"radius": 1}}), 16, "needs the value of every field on side 'outer'"),
        (Problem.of("lap(u) + u_xy = 1", BOX, WALLS, geometry={"disc": {"radius": 1}}), 16, "no mixed derivatives"),
        (Problem.of("lap(u) = 1", BOX, WALLS), 7, "an even number"),
        (Problem.of("lap(u) = 1", BOX, WALLS), 2000, "at most 300000"),
        (Problem.of("lap(u) = 1", BOX, [{"on": "boundary", "equation": "dn(u) = 1"}]), 16, "free constants"),
    ],
)  # fmt: skip
def test_what_it_refuses(problem: Problem, n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(problem, None, n)
