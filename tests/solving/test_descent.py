"""Adam and SOAP: unknown numbers are trained with the network."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.solving import Problem, solve
from inr.solving.newton import Rows
from inr.solving.points import residual_of
from inr.solving.solver import starting_rows

DECAY: dict[str, Any] = {"unknowns": {"k": {"start": 1.0, "low": 0.1, "high": 9.0}}}


def decay() -> Problem:
    """u = exp(-3 t) from its values at both ends, which determine k = 3."""
    ends = [{"on": "left", "equation": "u = 1"}, {"on": "right", "equation": f"u = {math.exp(-3)!r}"}]
    return Problem.of("u_x = -k*u", {"x": (0, 1)}, ends, **DECAY)


def test_residuals_have_derivatives_by_unknown_numbers() -> None:
    state, groups = starting_rows(decay(), 20)
    group = groups[0]
    _, rows = Rows(state, [group]).linearised([])
    total = group.weighted(residual_of(state, group)[:, None]).sum()
    (slope,) = torch.autograd.grad(total, state.raw)
    assert float(slope) == pytest.approx(-float(rows[:, 0, -1].sum()), rel=1e-12)


@pytest.mark.parametrize("method", ["adam", "soap"])
def test_unknown_numbers_are_found(method: str) -> None:
    solution = solve(decay(), method=method, width=8, depth=1, points=32, time_s=3.0, lr=0.03)
    assert abs(solution.unknowns["k"] / 3 - 1) < 0.1


def test_unknown_numbers_stay_within_their_bounds() -> None:
    problem = Problem.of("u_x = -k*u", {"x": (0, 1)}, [
        {"on": "left", "equation": "u = 1"}, {"on": "right", "equation": f"u = {math.exp(-3)!r}"}],
        unknowns={"k": {"start": 1.0, "low": 0.5, "high": 1.1}})  # fmt: skip
    found = solve(problem, method="adam", width=8, depth=1, points=32, time_s=1.0, lr=0.03)
    assert found.unknowns["k"] == pytest.approx(1.1)
