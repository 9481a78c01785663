"""The kernel of a problem: its blocks by autograd, and what follows for waves."""

from __future__ import annotations

import pytest
import torch

from inr.ntk.problem_kernel import problem_kernel
from inr.solving import Problem
from inr.solving.newton import parameters_of
from inr.solving.points import residual_of
from inr.solving.solver import starting_rows

SOFT = [{"on": "boundary", "equation": "u = 0", "hard": False}]
SMALL = {"width": 8, "depth": 2}


def test_mean_diagonals_are_those_of_autograd() -> None:
    problem = Problem.of("u_xx + 4*u = 1", {"x": (0, 1)}, SOFT, solve=SMALL)
    found = problem_kernel(problem, 20)
    assert list(found.traces) == ["equation", "condition left", "condition right"]
    state, groups = starting_rows(problem, 20)
    for group, trace in zip(groups, found.traces.values(), strict=True):
        residuals = residual_of(state, group) / group.scale
        squares = 0.0
        for r in residuals:
            grads = torch.autograd.grad(r, parameters_of(state), retain_graph=True, allow_unused=True)
            squares += sum(float(g.square().sum()) for g in grads if g is not None)
        assert trace == pytest.approx(squares / len(residuals), rel=1e-9)
    assert found.weights["equation"] == 1
    left = found.traces["equation"] / found.traces["condition left"]
    assert found.weights["condition left"] == pytest.approx(left)


def test_symbols_are_those_of_the_operator() -> None:
    found = problem_kernel(Problem.of("u_xx = 1", {"x": (0, 1)}, SOFT, solve=SMALL), 64)
    assert [band.symbol for band in found.bands] == pytest.approx([(band.cycles / 0.5) ** 2 for band in found.bands])
    for band in found.bands:
        assert band.solution == pytest.approx(band.residual / band.symbol**2)


def test_conditions_that_are_built_in_are_named() -> None:
    problem = Problem.of("u_xx = 1", {"x": (0, 1)}, [{"on": "boundary", "equation": "u = 0"}], solve=SMALL)
    found = problem_kernel(problem, 32)
    assert list(found.traces) == ["equation"]
    assert "All conditions are built in, so only the equation is learned." in found.findings
