"""Coefficients that jump: refused where an equation differentiates them, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from inr.core.errors import UsageError
from inr.solving import Problem

BOX = {"x": (-1, 1), "y": (-1, 1)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]


@pytest.mark.parametrize(
    ("equation", "parameters"),
    [
        ("div(k*grad(u)) = -1", {"k": "1 + 99*heaviside(x)"}),
        ("div(where(x + y < 0.1, 1, 100)*grad(u)) = -1", {}),
        ("lap(k*u) = -1", {"k": "50.5 + 49.5*sign(x - y)"}),
        ("div(2*k*grad(u)) = -1", {"k": "1 + c*heaviside(x)", "c": 99}),
    ],
)
def test_a_differentiated_jump_is_refused(equation: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"a coefficient jumps from .* and the equation has its derivative") as error:
        Problem.of(equation, BOX, WALLS, parameters=parameters)
    numbers = {word for word in error.value.message.split() if word.replace(".", "").isdigit()}
    assert numbers == {"1", "100"}


@pytest.mark.parametrize(
    ("equation", "parameters"),
    [
        ("k*lap(u) = -1", {"k": "1 + 99*heaviside(x)"}),
        ("lap(u) = -k", {"k": "heaviside(x)"}),
        ("div(k*grad(u)) = -1", {"k": "1 + max(0, x)"}),
        ("div(k*grad(u)) = -1", {"k": "where(x < 0, 1, 1 + x)"}),
        ("div(k*grad(u)) = -1", {"k": "1 + heaviside(x - 5)"}),
        ("div(k*grad(u)) = -1", {"k": "1 + (1 + tanh(x/0.05))/2"}),
    ],
)
def test_other_steps_are_not(equation: str, parameters: dict[str, Any]) -> None:
    assert len(Problem.of(equation, BOX, WALLS, parameters=parameters).residuals) == 1


def test_eigenvalues_come_from_integrals() -> None:
    equation, parameters = "-div(k*grad(u)) = E*u", {"k": "1 + heaviside(x)"}
    problem = Problem.of(equation, BOX, WALLS, problem={"kind": "eigen"}, parameters=parameters)
    assert problem.eigenvalue == "E"
