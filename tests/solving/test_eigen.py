"""Eigenvalues with closed forms, their error estimates, and the problems that are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.kernels.jet_plan import JetPlan
from inr.solving import Problem, solve
from inr.solving.lattice import Sampled

WALLS = [{"on": "boundary", "equation": "u = 0"}]
LINE, SQUARE = {"x": (0, 1)}, {"x": (0, 1), "y": (0, 1)}
PI2 = math.pi**2
CASES: dict[str, tuple[str, Any, list[float], float, dict[str, Any]]] = {
    "interval": ("-u_xx = E*u", LINE, [PI2, 4 * PI2, 9 * PI2], 1e-9, {}),
    "other sign": ("u_xx + E*u = 0", LINE, [PI2, 4 * PI2], 1e-9, {}),
    "weighted": ("-u_xx = 4*E*u", LINE, [PI2 / 4, PI2], 1e-9, {}),
    "string of varying mass": ("-u_xx = E*u/x**2", {"x": (1, math.e)}, [PI2 + 0.25, 4 * PI2 + 0.25], 1e-8, {}),
    "square": ("-lap(u) = E*u", SQUARE, [2 * PI2, 5 * PI2, 5 * PI2, 8 * PI2], 1e-8, {}),
    "ring": ("-lap(u) = E*u", {"x": (-1, 1), "y": (-1, 1)}, [5.7831859629, 14.6819706421, 14.6819706421], 1e-8,
             {"geometry": {"disc": {"radius": 1}}}),
    "circle": ("-u_xx = E*u", {"x": (0, 2 * math.pi)}, [0, 1, 1, 4, 4], 1e-7, {"problem": {"periodic": ["x"]}}),
}  # fmt: skip


def made(equation: str, axes: Any, n: int, **tables: Any) -> Problem:
    head = {"kind": "eigen", "states": n, **tables.pop("problem", {})}
    return Problem.of(equation, axes, [] if "periodic" in head else WALLS, problem=head, **tables)


@pytest.mark.parametrize("name", CASES)
def test_closed_forms(name: str) -> None:
    equation, axes, wanted, tolerance, tables = CASES[name]
    solution = solve(made(equation, axes, len(wanted), **tables), features=200, scale=8.0)
    found = list(solution.unknowns.values())
    assert list(solution.unknowns) == [f"E{k}" for k in range(1, len(wanted) + 1)]
    assert found == pytest.approx(wanted, rel=tolerance, abs=tolerance)
    assert solution.errors.score < 1e-6
    assert solution.outcome == "done"


def test_functions_satisfy_the_equation_and_are_orthonormal() -> None:
    problem = made("-lap(u) + 5*x*u = E*u", SQUARE, 3)
    solution = solve(problem, features=150, scale=7.0)
    x, w = problem.domain.shape.quadrature(4)
    jets = solution.field.jets(x, JetPlan.laplacian(2)).detach()
    u, lap = jets[0], jets[3]
    energies = torch.tensor(list(solution.unknowns.values()), dtype=torch.float64)
    torch.testing.assert_close(-lap + 5 * x[:, :1] * u, u * energies, rtol=0, atol=1e-3)
    torch.testing.assert_close((w[:, None] * u).T @ u, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-9)
    assert solution.errors.residual < 1e-4
    assert set(Sampled.of(solution, 9).values) == {"u1", "u2", "u3"}


def test_the_estimates_of_a_well_with_steep_walls_hold() -> None:
    """k tan ka = q coth q(3 - a) and its odd twin, for V0 = 10, a = 1; the second derivatives jump at the walls."""
    wanted = [0.81974009427, 3.22094072717, 6.94589087491]
    problem = made("-0.5*u_xx + V*u = E*u", {"x": (-3, 3)}, 3, parameters={"V": "10*heaviside(abs(x) - 1)"})
    solution = solve(problem, features=250)
    for (key, value), exact in zip(solution.unknowns.items(), wanted, strict=True):
        assert value > exact * (1 - 1e-9)  # of a span of functions: from above
        assert abs(value / exact - 1) < min(1e-3, 1.01 * solution.errors.eigenvalues[key])
    assert solution.errors.score < 0.01
    assert solution.outcome == "target_not_reached"


@pytest.mark.parametrize(
    ("equation", "axes", "tables", "message"),
    [
        ("-u_xx + u_x = E*u", LINE, {}, "the operator is not symmetric"),
        ("-u_xx = E*u + 1", LINE, {}, "no source"),
        ("-u_xx + u**2 = E*u", LINE, {}, "linear in the field and in E"),
        ("-u_xx = E**2*u", LINE, {}, "linear in the field and in E"),
        ("-u_xx = E*(x - 0.5)*u", LINE, {}, "changes its sign"),
        ("u_xx = E*u", LINE, {}, "no lowest: the factor of u_xx is positive"),
        ("-u_xx = 3*u", LINE, {}, 'no eigenvalue "E"'),
        ("-u_xx + u_t = E*u", {"x": (0, 1), "t": (0, 1)}, {}, "without time"),
        ("-u_xx = E*u", LINE, {"problem": {"states": 0}}, "states is 0, expected 1 to 50"),
        ("-u_xx = E*u", LINE, {"problem": {"kind": "eigne"}}, "did you mean"),
        ("-u_xx = E*u", LINE, {"problem": {"kind": "boundary"}}, "states and eigenvalue are for eigenvalue problems"),
        ("-u_xx = E*u", LINE, {"problem": {"eigenvalue": "a b"}}, "expected a name of letters"),
        ("-lap(u) = E*u", {"x": (-2, 2), "y": (-2, 2)}, {"geometry": {"sdf_expression": "x**2 + y**2 - 1"}},
         "u = 0 on every side"),
    ],
)  # fmt: skip
def test_problems_that_are_refused(equation: str, axes: Any, tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        solve(made(equation, axes, 2, **tables), features=60, scale=6.0, time_s=1)


def test_settings_that_are_refused() -> None:
    with pytest.raises(UsageError, match="9 states, and there are 10 features"):
        solve(made("-u_xx = E*u", LINE, 9), features=10, scale=6.0)
    with pytest.raises(UsageError, match="eigenvalues are found by least_squares"):
        solve(made("-u_xx = E*u", LINE, 2), method="adam")
    other = [{"on": "boundary", "equation": "u = 1"}]
    with pytest.raises(UsageError, match="u = 0 on every side"):
        solve(Problem.of("-u_xx = E*u", LINE, other, problem={"kind": "eigen"}))
