"""Solutions in closed form: their values, that they solve their equations, and what they are refused for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.solving import Problem, solve
from inr.solving.closed_forms import FORMS, Burgers, Torsion

CONDITIONS: list[dict[str, Any]] = [
    {"on": "start", "equation": "u = -sin(pi*x)"},
    {"on": ["left", "right"], "equation": "u = 0"},
]
AXES = {"x": (-1, 1), "t": (0, 1)}


def burgers(equation: str = "u_t + u*u_x = nu*u_xx", axes: Any = AXES, **tables: Any) -> Problem:
    given: dict[str, Any] = {"parameters": {"nu": 0.01 / math.pi}, "reference": {"exact": "builtin:burgers"}, **tables}
    return Problem.of(equation, axes, CONDITIONS, **given)


def test_the_value_is_that_of_the_literature() -> None:
    form = Burgers(0.01 / math.pi)
    value = form(torch.tensor([0.25]), torch.tensor([0.5]))
    assert float(value) == pytest.approx(-0.847354524451, abs=1e-11)
    x = torch.linspace(-1, 1, 21, dtype=torch.float64)
    assert float((form(x, torch.full_like(x, 1e-14)) + torch.sin(math.pi * x)).abs().max()) < 1e-6
    assert float(form(torch.tensor([1.0]), torch.tensor([0.7])).abs()) < 1e-9


def test_it_solves_the_equation() -> None:
    problem, form = burgers(), Burgers(0.01 / math.pi)
    points = torch.rand(50, 2, dtype=torch.float64) * 0.9 + 0.05
    assert float(problem.residual(form, points)[0].abs().max()) < 1e-8


def test_the_torsion_of_a_square_bar() -> None:
    form = Torsion()
    assert float(form(torch.tensor([0.5]), torch.tensor([0.5]))) == pytest.approx(0.0736713533, abs=1e-10)
    s, ends = torch.linspace(0, 1, 11, dtype=torch.float64), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    assert float(form(ends, s).abs().max()) < 1e-12
    assert float(form(s, ends).abs().max()) < 1e-4  # the series converges slowly there
    given: Any = {"reference": {"exact": "builtin:torsion"}}
    walls = [{"on": "boundary", "equation": "u = 0"}]
    problem = Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, walls, **given)
    solution = solve(problem, method="least_squares", features=200, scale=8.0)
    assert solution.errors.exact["u"] < 1e-3
    with pytest.raises(UsageError, match="builtin:torsion is not a solution"):
        Problem.of("lap(u) = -2", {"x": (0, 1), "y": (0, 1)}, walls, **given)
    assert {*FORMS} == {"burgers", "torsion"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"equation": "u_t + 2*u*u_x = nu*u_xx"}, "builtin:burgers is not a solution of the equation"),
        ({"parameters": {"nu": -1}}, "a number nu above 0"),
        ({"axes": {"x": (-1, 1), "y": (0, 1), "t": (0, 1)}}, "needs the axes x and t"),
        ({"reference": {"exact": "builtin:burger"}}, "did you mean"),
    ],
)
def test_other_problems_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        burgers(**changed)
    assert message in f"{caught.value.message} {caught.value.hint}"
