"""Functions in equations by autograd, and formulas of a solved field."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.solving import Problem, solve
from inr.solving.candidates import parts_of

BOX = {"x": (0, 1), "y": (0, 1)}
WALLS: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0"}]


def test_autograd_agrees_with_the_derivatives_of_formulas() -> None:
    equation = "u_xy + x*u_xx - exp(y)*u_y**2 = u"
    problem = Problem.of(equation, BOX, [{"on": "boundary", "equation": "u = x"}])
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (mine,) = problem.residual(lambda x, y: torch.sin(3 * x) * torch.exp(x * y), points)
    (wanted,) = problem.residual_of({"u": problem.scope.formula("sin(3*x)*exp(x*y)").re}, points)
    assert float((mine - wanted).abs().max()) < 1e-12
    assert float(wanted.abs().max()) > 1


def test_complex_fields_and_functions_of_one_coordinate() -> None:
    walls = [{"on": "boundary", "equation": "E = exp(5*i*x)"}]
    problem = Problem.of("lap(E) + 25*E = 0", BOX, walls, fields={"E": {"complex": True}})
    assert max(float(r.abs().max()) for r in problem.residual(lambda x, y: torch.exp(5j * x))) < 1e-12
    real, imaginary = problem.residual(lambda x, y: 1.0 + 0 * x)
    assert float((real - 25).abs().max()) < 1e-12
    assert not imaginary.any()


def test_every_field_has_a_function() -> None:
    problem = Problem.of(["lap(w) = m", "lap(m) = 1"], BOX,
                         [{"on": "boundary", "equation": f"{key} = 0"} for key in "wm"])  # fmt: skip
    with pytest.raises(UsageError, match="functions are given for m, expected m, w"):
        problem.residual({"m": lambda x, y: x})


def test_formulas_of_a_solution() -> None:
    problem = Problem.of("u_xx + u_yy = a*exp(x)*cos(y)", BOX, [{"on": "boundary", "equation": "u = x*exp(x)*cos(y)"}],
                         parameters={"a": 2})  # fmt: skip
    solution = solve(problem, method="least_squares", features=150, scale=5.0)
    x, y = points = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).T
    found = solution.values(points.T, "u, u_y, lap(u), max(a*u, y)")
    wanted = [x * x.exp() * y.cos(), -x * x.exp() * y.sin(), 2 * x.exp() * y.cos()]
    wanted.append(torch.maximum(2 * wanted[0], y))
    assert float((found - torch.stack(wanted, -1)).abs().max()) < 1e-5
    with pytest.raises(UsageError, match="column 1: unknown name 'v'"):
        solution.values(points.T, "u, v")


def test_texts_are_cut_between_formulas() -> None:
    assert parts_of("u, max(u, 2) ,atan2(x, max(y, 1))") == ["u", "max(u, 2)", "atan2(x, max(y, 1))"]


def test_a_function_may_be_constant() -> None:
    problem = Problem.of("lap(u) - u = 1", BOX, WALLS)

    def minus_one(x: Tensor, y: Tensor) -> Tensor:
        return torch.tensor(-1.0)

    (found,) = problem.residual(minus_one)
    assert not found.any()
