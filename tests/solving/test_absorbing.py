"""Absorbing layers: a source in free space, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import exp1, hankel1

from inr.core.errors import UsageError
from inr.kernels.jet_plan import JetPlan
from inr.solving import Problem, solve

COMPLEX = {"E": {"complex": True}}
SQUARE = {"x": (-1, 1), "y": (-1, 1)}


def test_a_source_in_free_space() -> None:
    """(lap + k^2) E = -q for a Gaussian q of integral 1: E = i/4 H0(k r) exp(-k^2 s^2 / 2) outside of it."""
    k, s = 8, 0.12
    source = f"exp(-(x**2 + y**2)/(2*{s}**2))/(2*pi*{s}**2)"
    problem = Problem.of(f"lap(E) + {k}**2*E = -{source}", SQUARE, fields=COMPLEX,
                         problem={"absorb": {"width": 0.5}})  # fmt: skip
    solution = solve(problem, method="least_squares", features=350, scale=24.0)
    line = torch.linspace(-0.5, 0.5, 41, dtype=torch.float64)
    x = torch.cartesian_prod(line, line)
    r = x.norm(dim=1)
    x, r = x[r > 4 * s], r[r > 4 * s]
    parts = solution.field.jets(x, JetPlan(0))[0].detach().numpy()
    wanted = 0.25j * hankel1(0, k * r.numpy()) * np.exp(-(k**2) * s**2 / 2)
    off = parts[:, 0] + 1j * parts[:, 1] - wanted
    assert np.linalg.norm(off) < 0.03 * np.linalg.norm(wanted)
    assert solution.errors.boundary == {"left": 0, "right": 0, "bottom": 0, "top": 0}


@pytest.mark.parametrize(
    ("head", "tables", "message"),
    [
        ({"absorb": 3}, {}, r"absorb is 3, expected \{ width = 0.25"),
        ({"absorb": {"width": 2}}, {}, "expected a width below half the box, 1, and a strength above 0"),
        ({"absorb": {"width": 0.2, "strength": 0}}, {}, "strength above 0"),
        ({"absorb": {"width": 0.2}}, {"fields": {"E": {}}}, "are for complex fields on a box"),
        ({"absorb": {"width": 0.2}}, {"geometry": {"disc": {"radius": 1}}}, "are for complex fields on a box"),
        ({"absorb": {"width": 0.2}, "periodic": ["x"]}, {}, "are for complex fields on a box"),
    ],
)
def test_layers_that_are_refused(head: dict[str, Any], tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem.of("lap(E) + E = -x", SQUARE, problem=head, **{"fields": COMPLEX, **tables})


@pytest.mark.parametrize("equation", ["E_xx + E_yy + E = -x", "div(grad(E)) + E = -x"])
def test_layers_act_on_the_laplacian_alone(equation: str) -> None:
    """Other derivatives would not be stretched, and waves would come back from the walls."""
    with pytest.raises(UsageError, match=r"absorb acts on lap\(...\), and the equation has (E_xx|div)"):
        Problem.of(equation, SQUARE, problem={"absorb": {"width": 0.2}}, fields=COMPLEX)


def test_a_narrow_source_needs_its_spot() -> None:
    """A source of width 0.02: lap(u) = g has the solution (log r^2 + E1(r^2 / 2 s^2)) / (4 pi), here on a disc."""
    s = 0.02
    problem = Problem.of(
        f"lap(u) = exp(-(x**2 + y**2)/(2*{s}**2))/(2*pi*{s}**2)", SQUARE, [{"on": "boundary", "equation": "u = 0"}],
        geometry={"disc": {"radius": 1}}, problem={"spots": [{"at": [0, 0], "size": s}]},
    )  # fmt: skip
    x = torch.linspace(0, 1, 50, dtype=torch.float64)[1:, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    r = x.norm(dim=1).numpy()
    wanted = (np.log(r**2) + exp1(r**2 / (2 * s**2))) / (4 * np.pi)
    errors = []
    for each in (problem, dataclasses.replace(problem, spots=())):
        found = solve(each, method="least_squares", features=200, scale=8.0).field.jets(x, JetPlan(0))[0, :, 0]
        errors.append(float(np.linalg.norm(found.detach().numpy() - wanted) / np.linalg.norm(wanted)))
    assert errors[0] < 5e-3 < 0.05 < errors[1]


@pytest.mark.parametrize(
    ("spots", "message"),
    [
        (3, "spots is 3, expected a list"),
        ([{"at": [0], "size": 1}], "expected a place of 2 numbers, and a size"),
        ([{"at": [0, 0], "size": 0}], "a spot has size = 0"),
    ],
)
def test_spots_that_are_refused(spots: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem.of("lap(u) = 1", SQUARE, [{"on": "boundary", "equation": "u = 0"}], problem={"spots": spots})
