"""Conditions that are built in hold to rounding; those that disagree are not built in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inr.core.tensor_formula import tensor_of
from inr.solving.conditions import value_given
from inr.solving.equation import TIME
from inr.solving.hard import hard_conditions
from inr.solving.problem import Problem

EXACT = "sin(x) * exp(y) + x*y"
BOX = {"x": (-1, 1), "y": (0, 2)}
CASES: dict[str, Any] = {
    "box": (BOX, {}, [{"on": "boundary", "equation": f"u = {EXACT}"}]),
    "two sides": (BOX, {}, [{"on": ["left", "top"], "equation": f"2*u = 2*({EXACT})"},
                            {"on": "boundary", "equation": "dn(u) = 0"}]),
    "disc": (BOX, {"disc": {"radius": 1}}, [{"on": "boundary", "equation": f"u = {EXACT}"}]),
    "annulus": (BOX, {"annulus": {"inner": 1, "outer": 2}},
                [{"on": "inner", "equation": "u = x"}, {"on": "outer", "equation": "u = y"}]),
    "heat": ({"x": (0, 1), "t": (1, 3)}, {}, [{"on": ["left", "right"], "equation": "u = t*x"},
                                              {"on": "start", "equation": "u = x + sin(pi*x)"}]),
    "disc in time": ({**BOX, "t": (0, 1)}, {"disc": {"radius": 1}},
                     [{"on": "boundary", "equation": "u = x + t"}, {"on": "start", "equation": "u = x"}]),
}  # fmt: skip


def make(case: Any) -> Problem:
    axes, geometry, conditions = case
    equation = "u_t = lap(u)" if TIME in axes else "lap(u) = 0"
    return Problem.of(equation, axes, conditions, geometry=geometry)


@pytest.mark.parametrize("name", CASES)
def test_lifts_have_the_given_values(name: str, generator: torch.Generator) -> None:
    problem = make(CASES[name])
    hard = hard_conditions(problem)
    assert hard.notes == []
    checked = 0
    for at, condition in enumerate(problem.conditions):
        wanted = value_given(condition.residuals[0], "u")
        for side in condition.sides:
            if wanted is None:
                assert (at, side, 0) not in hard.met
                continue
            assert (at, side, 0) in hard.met
            x = problem.domain.on(side, 50, generator).x
            values = {axis: x[:, a] for a, axis in enumerate(problem.scope.axes)}
            lift, factor, value = (tensor_of(n, values, x[:, 0]) for n in (hard.lift["u"], hard.factor["u"], wanted))
            assert (lift - value).abs().max() < 1e-13
            assert factor.abs().max() < 1e-13
            checked += 1
    assert checked
    inside = problem.domain.inside(200, generator).x
    values = {axis: inside[:, a] for a, axis in enumerate(problem.scope.axes)}
    assert (tensor_of(hard.factor["u"], values, inside[:, 0]) > 0).all()


def test_a_start_with_a_velocity_has_a_square_factor(generator: torch.Generator) -> None:
    conditions: list[dict[str, Any]] = [
        {"on": ["left", "right"], "equation": "u = 0"},
        {"on": "start", "equation": "u = sin(pi*x)"},
        {"on": "start", "equation": "u_t = 3*sin(pi*x)"},
    ]
    problem = Problem.of("u_tt = u_xx", {"x": (0, 1), "t": (0, 2)}, conditions)
    hard = hard_conditions(problem)
    assert (2, "start", 0) in hard.met
    x = problem.domain.on("start", 20, generator).x
    values = {"x": x[:, 0], "t": x[:, 1]}
    slope = tensor_of(problem.scope.by_axis(hard.lift["u"], "t"), values, x[:, 0])
    assert (slope - 3 * torch.sin(torch.pi * x[:, 0])).abs().max() < 1e-12
    assert tensor_of(problem.scope.by_axis(hard.factor["u"], "t"), values, x[:, 0]).abs().max() < 1e-15


@pytest.mark.parametrize("size", ["1", "1e-11", "1e9"])
def test_corners_that_disagree_are_named(size: str) -> None:
    conditions = [{"on": "top", "equation": f"u = {size}"}, {"on": "boundary", "equation": "u = 0"}]
    problem = Problem.of("lap(u) = 0", {"x": (0, 1), "y": (0, 1)}, conditions)
    hard = hard_conditions(problem)
    (note,) = hard.notes
    assert note.startswith("conditions disagree at (0, 1): ")
    assert '"left"' in note
    assert '"top"' in note
    assert hard.met == set()


@pytest.mark.parametrize(
    ("start", "is_met"),
    [("sin(2*pi*x)**2", True), ("exp(cos(2*pi*x))", True), ("x", False), ("x*(1 - x)", False), ("sin(pi*x)", False)],
)
def test_values_along_a_periodic_axis_repeat(start: str, is_met: bool) -> None:
    """x (1 - x) repeats, and its slope does not: the lift would keep the kink for all times."""
    problem = Problem.of("u_t = u_xx", {"x": (0, 1), "t": (0, 1)}, [{"on": "start", "equation": f"u = {start}"}],
                         problem={"periodic": ["x"]})  # fmt: skip
    hard = hard_conditions(problem)
    assert bool(hard.met) == is_met
    assert any("do not repeat along x" in note for note in hard.notes) != is_met


def test_kinks_and_choices_are_not_built_in() -> None:
    extras: list[dict[str, Any]] = [{"hard": False}, {}]
    for extra in extras:
        equation = "u = 1" if extra else "u = abs(x)"
        problem = Problem.of("lap(u) = 0", BOX, [{"on": "boundary", "equation": equation, **extra}])
        assert hard_conditions(problem).met == set()
