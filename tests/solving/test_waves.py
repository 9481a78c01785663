"""The speed of waves, from the coefficients of an equation; and features that follow it."""

from __future__ import annotations

from typing import Any

import pytest

from inr.fields.solution import SolutionField
from inr.solving import Problem, solve, solver
from inr.solving.waves import transport_speed, wave_speed

BOX = {"x": (0, 1), "y": (0, 1), "t": (0, 1)}
WALLS: list[dict[str, Any]] = [
    {"on": ["boundary", "start"], "equation": "u = x"},
    {"on": "start", "equation": "u_t = 0"},
]


@pytest.mark.parametrize(
    ("equation", "speed"),
    [
        ("u_tt = 9*lap(u)", 3.0),
        ("4*lap(u) - u_tt = u", 2.0),
        ("u_tt = u_xx + 4*u_yy", 2.0),
        ("u_tt = (1 + y)*lap(u)", 1.5**0.5),
        ("u_tt = u*lap(u)", None),
        ("u_t = lap(u)", None),
        ("u_tt + lap(u) = 1", None),
    ],
)
def test_speeds(equation: str, speed: float | None) -> None:
    found = wave_speed(Problem.of(equation, BOX, WALLS))
    assert found == (speed if speed is None else pytest.approx(speed, rel=1e-2))


@pytest.mark.parametrize(
    ("equation", "speed"),
    [
        ("u_t + 3*u_x = 0", 3.0),
        ("2*u_t = 6*u_x - 8*u_y + 0.01*lap(u)", 5.0),
        ("u_t + (1 + x)*u_x = 0", (7 / 3) ** 0.5),
        ("u_t + u*u_x = 0", None),
        ("u_t = lap(u)", None),
    ],
)
def test_speeds_of_transport(equation: str, speed: float | None) -> None:
    walls: list[dict[str, Any]] = [{"on": ["boundary", "start"], "equation": "u = x"}]
    found = transport_speed(Problem.of(equation, BOX, walls))
    assert found == (speed if speed is None else pytest.approx(speed, rel=1e-2))


def test_frequencies_in_time_are_those_of_what_is_carried_along(monkeypatch: pytest.MonkeyPatch) -> None:
    start: list[dict[str, Any]] = [{"on": "start", "equation": "u = sin(2*pi*x)"}]
    head, exact = {"periodic": ["x"]}, {"exact": "sin(2*pi*(x - 4*t))"}
    problem = Problem.of("u_t + 4*u_x = 0", {"x": (0, 1), "t": (0, 1)}, start, problem=head, reference=exact)
    fast = solve(problem, method="least_squares", features=300, scale=4.0)
    monkeypatch.setattr(solver, "MOST_LATE", 1.0)
    equal = solve(problem, method="least_squares", features=300, scale=4.0)
    assert fast.errors.exact["u"] < 0.1 * equal.errors.exact["u"]


def test_frequencies_in_time_are_those_of_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse and d'Alembert's solution: with equal frequencies in both axes, many features are wasted."""
    exact = "(exp(-50*(x - t)**2) + exp(-50*(x + t)**2))/2"
    conditions: list[dict[str, Any]] = [
        {"on": ["left", "right"], "equation": f"u = {exact}"},
        {"on": "start", "equation": "u = exp(-50*x**2)"},
        {"on": "start", "equation": "u_t = 0"},
    ]
    problem = Problem.of("u_tt = u_xx", {"x": (-1, 1), "t": (0, 0.2)}, conditions, reference={"exact": exact})
    solution = solve(problem, method="least_squares", features=120, scale=24.0)
    assert isinstance(solution.field, SolutionField)
    first = solution.field.weights[0].detach().abs().amax(0)
    assert float(first[1] / first[0]) == pytest.approx(0.1, rel=0.1)
    monkeypatch.setattr(solver, "MOST_LATE", 1.0)
    equal = solve(problem, method="least_squares", features=120, scale=24.0)
    assert solution.errors.exact["u"] < 0.1 * equal.errors.exact["u"]
