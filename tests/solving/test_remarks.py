"""What is said where a problem cannot have one answer, or a solution missed its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fields.solution import Solution as Config
from inr.fields.solution import SolutionField
from inr.solving import Problem, solve, solver
from inr.solving.errors import measure
from inr.solving.hard import hard_conditions
from inr.solving.remarks import check_unknowns, check_values, front_in, slow_steps, time_reached
from inr.solving.rows import Group
from inr.solving.solver import starting_rows
from inr.solving.state import State

BOX = {"x": (0, 1), "t": (0, 1)}
SIDES: list[dict[str, Any]] = [
    {"on": ["left", "right"], "equation": "u = 0"},
    {"on": "start", "equation": "u = sin(pi*x)"},
]
HEAT: tuple[str, Any, Any] = ("u_t = 0.1*u_xx", BOX, SIDES)
NUMBERS = {"a": {"start": 1.0, "low": 0.1}, "b": {"start": 2.0, "low": 0.1}}


@pytest.mark.parametrize("equation", ["u_t = a*b*u_xx", "u_t = a/b*u_xx + sin(a/b)", "u_t = (a + b)*u_xx"])
def test_numbers_in_one_combination_are_refused(equation: str) -> None:
    problem = Problem.of(equation, BOX, SIDES, unknowns=NUMBERS)
    with pytest.raises(UsageError, match="a and b occur in one combination only"):
        check_unknowns(problem)


@pytest.mark.parametrize("equation", ["u_t = a*u_xx + b", "u_t = a*u_xx + a*b*u", "u_t = a*u_xx"])
def test_numbers_that_can_be_told_apart_are_not(equation: str) -> None:
    numbers = {key: table for key, table in NUMBERS.items() if key in equation}
    problem = Problem.of(equation, BOX, SIDES, unknowns=numbers)
    check_unknowns(problem)
    assert set(problem.unknowns) == set(numbers)


def test_a_product_of_unknowns_ends_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("x,t,u\n0.5,0.5,0.4\n")
    (tmp_path / "p.toml").write_text(
        '[problem]\nequation = "u_t = a*b*u_xx"\n[axes]\nx = [0, 1]\nt = [0, 1]\n[unknowns]\na = { start = 1 }\n'
        'b = { start = 1 }\n[[condition]]\non = "boundary"\nequation = "u = 0"\n[[observed]]\nfile = "u.csv"\n'
    )
    with pytest.raises(UsageError, match="one combination"):
        solve(tmp_path / "p.toml")


SQUARE = {"x": (0, 1), "y": (0, 1)}
WALLS: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0"}]


@pytest.mark.parametrize(
    ("equation", "conditions", "message"),
    [
        ("lap(u) = sqrt(x - 0.5)", WALLS, "the equation has no finite value at \\(0."),
        ("lap(u) + u**2 = log(y - 0.9)", WALLS, "whatever u is"),
        ("lap(u) = exp(9000*x)", WALLS, "the equation has no finite value"),
        (
            "lap(u) = 1",
            [{"on": "top", "equation": "u = sqrt(x - 0.5)"}, *WALLS],
            'the condition on "top" has no finite',
        ),
    ],
)
def test_formulas_without_values_are_refused(equation: str, conditions: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        solve(Problem.of(equation, SQUARE, conditions))


@pytest.mark.parametrize("equation", ["lap(u) = log(u)", "lap(u) = sqrt(u)*log(1 - u_x) + 1/u", "lap(u) = 1/(x + y)"])
def test_formulas_with_values_for_some_fields_are_not(equation: str) -> None:
    problem = Problem.of(equation, SQUARE, [{"on": "boundary", "equation": "u = 1"}])
    assert check_values(problem, hard_conditions(problem)) is None  # type: ignore[func-returns-value]  # no error


def test_residuals_that_are_not_finite_are_the_worst() -> None:
    """A comparison with NaN is false, so the largest of 0 and NaN is 0 for `max`."""
    problem = Problem.of(*HEAT)
    found = measure(problem, _with("sqrt(x - 0.5)"), hard_conditions(problem), Generator().manual_seed(0))
    assert found.residual == found.score == torch.inf


def _with(lift: str) -> State:
    """A state whose values are a formula of x and t."""
    config = Config(axes=("x", "t"), lift=(lift,), factor=("0",), width=4, depth=1)
    problem = Problem.of(*HEAT)
    return State.start(SolutionField(config, Generator().manual_seed(0)), problem)


def test_a_front_between_the_points_is_named() -> None:
    """tanh((x - 0.5)/0.01)/2 has the slope 1 / 0.02, per range of 1: 2 % of the box."""
    note = front_in(Problem.of(*HEAT), _with("tanh((x - 0.5)/0.01)/2"), 1000)
    assert note is not None
    assert "about 2 % of the box wide" in note
    assert "near (0.5" in note
    assert 'solve.sampler to "rad"' in note
    assert front_in(Problem.of(*HEAT), _with("tanh((x - 0.5)/0.01)/2"), 10_000) is None
    assert front_in(Problem.of(*HEAT), _with("sin(x)"), 1000) is None


def test_the_time_that_the_causal_order_has_reached() -> None:
    problem = Problem.of(*HEAT)
    state, groups = starting_rows(problem, 400)
    group: Group = next(each for each in groups if each.kind == "equation")
    t = group.x[:, 1]
    weights: Tensor = torch.where(t < 0.625, 1.0, 0.0)
    note = time_reached(problem, state, group, weights)
    assert note is not None
    assert note.startswith("solved up to t = 0.62")
    assert time_reached(problem, state, group, torch.ones_like(t)) is None


def test_a_causal_run_that_is_stopped_says_how_far_it_came() -> None:
    solution = solve(
        Problem.of("u_t = 0.01*u_xx + 30*(u - u**3)", BOX, SIDES),
        method="adam", time_s=0.3, width=8, points=64, causal=1e4,
    )  # fmt: skip
    assert any(note.startswith("solved up to t = ") for note in solution.notes)


def test_few_long_steps_are_counted() -> None:
    note = slow_steps(3, 60.0, 5000)
    assert note is not None
    assert note.startswith("Gauss-Newton took 3 steps of 20 s for 5,000 parameters")
    assert "about 33 min" in note
    assert slow_steps(40, 60.0, 5000) is None


def test_steps_that_lower_nothing_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def stalled(state: State, groups: Any, until: float, is_enough: Any) -> tuple[int, bool]:
        groups(0)
        return 3, True

    monkeypatch.setattr(solver, "gauss_newton", stalled)
    solution = solve(Problem.of("lap(u) = exp(3*u)", {"x": (0, 1), "y": (0, 1)},
                                [{"on": "boundary", "equation": "u = sin(9*x*y)"}]),
                     method="gauss_newton", width=4, points=40)  # fmt: skip
    assert solution.outcome == "stalled"
    assert any("no step of Gauss-Newton lowers the residual" in note for note in solution.notes)


def test_fluxes_alone_leave_a_constant() -> None:
    flux = [{"on": "boundary", "equation": "dn(u) = 0"}]
    problem = Problem.of("lap(u) = cos(pi*x)", {"x": (0, 1), "y": (0, 1)}, flux)
    solution = solve(problem, method="least_squares", features=60, scale=5.0)
    assert any("u is only determined up to a constant. Add [[condition]]" in note for note in solution.notes)
