"""Conditions on means: the constant of a problem with fluxes only, and what a mean cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.solving import Problem, solve

BOX = {"x": (0, 1), "y": (0, 1)}
FLUX: dict[str, Any] = {"on": "boundary", "equation": "dn(u) = 0"}
SOURCE = "lap(u) = -2*pi**2*cos(pi*x)*cos(pi*y)"
QUICK: dict[str, Any] = {"method": "least_squares", "features": 200, "scale": 6.0}


def solved(equation: str, *conditions: dict[str, Any], axes: Any = BOX, of: str = SOURCE, **tables: Any) -> Any:
    settings = {**QUICK, **tables.pop("settings", {})}
    return solve(Problem.of(of, axes, [*conditions, {"equation": equation}], **tables), **settings)


def test_a_mean_pins_the_constant() -> None:
    exact: dict[str, Any] = {"reference": {"exact": "cos(pi*x)*cos(pi*y) + 3"}}
    solution = solved("mean(u) = 3", FLUX, **exact)
    assert solution.errors.exact["u"] < 1e-5
    assert solution.errors.boundary["mean(u) = 3"] < 1e-6
    assert not any("up to a constant" in note for note in solution.notes)
    inside = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(solution.values(inside, "u").mean()) == pytest.approx(3, abs=0.02)


def test_a_mean_of_any_formula_and_of_the_wrong_mean() -> None:
    """mean(u**2) = 1 of u = c with u_xx = 0; and a mean that the values on the boundary contradict is an error."""
    small = {"method": "gauss_newton", "time_s": 3.0, "width": 4, "depth": 1}
    flat = solved("2*mean(u**2)/2 - 1 = 0", {"on": ["left", "right"], "equation": "u_x = 0"}, axes={"x": (0, 1)},
                  of="u_xx = 0", settings=small)  # fmt: skip
    assert abs(float(flat.values(torch.tensor([[0.3]]), "u"))) == pytest.approx(1, abs=1e-4)
    wrong = solved("mean(u) = 5", {"on": "boundary", "equation": "u = 0"})
    assert wrong.errors.boundary["mean(u) = 5"] > 0.1
    assert wrong.outcome == "target_not_reached"


def test_means_over_a_side_and_a_disc() -> None:
    disc = solved("mean(u) = 0.5", {"on": "boundary", "equation": "dn(u) = -2"}, of="lap(u) = -4",
                  axes={"x": (-1, 1), "y": (-1, 1)}, geometry={"disc": {"radius": 1}},
                  reference={"exact": "1 - x**2 - y**2"})  # fmt: skip
    assert disc.errors.exact["u"] < 1e-5  # the mean of 1 - r^2 over a disc is 1/2
    side = solve(
        Problem.of(SOURCE, BOX, [FLUX, {"on": "left", "equation": "mean(u) = 2"}],
                   reference={"exact": "cos(pi*x)*cos(pi*y) + 2"}), **QUICK)  # fmt: skip
    assert side.errors.exact["u"] < 0.01


def test_sources_and_fluxes_are_compared_beside_a_mean() -> None:
    with pytest.raises(UsageError, match="sources and fluxes do not balance"):
        solved("mean(u) = 0", FLUX, of="lap(u) = 1")


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("mean(u) = x", "column 11: 'x' is outside of mean"),
        ("mean(u) + u = 0", "column 11: 'u' is outside of mean"),
        ("mean(u)*mean(u) = 1", "column 8: . of a mean"),
        ("mean(u)**2 = 1", "of a mean"),
        ("exp(mean(u)) = 1", "column 1: exp of a mean"),
        ("mean(mean(u)) = 1", "a mean inside of a mean"),
        ("mean(x) = 1", "has no unknown field"),
        ("mean(u) = k", "'k' is outside of mean|'x' is outside of mean"),
        ("mean(w) = 0", "unknown name 'w'"),
    ],
)
def test_other_means_are_refused(equation: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        solved(equation, FLUX, parameters={"k": "2*x"})


def test_means_are_conditions() -> None:
    with pytest.raises(UsageError, match=r"column 10: a mean, which is for conditions"):
        Problem.of("lap(u) - mean(u) = 1", BOX, [FLUX])
    with pytest.raises(UsageError, match="is a mean on left, right, expected one side"):
        Problem.of(SOURCE, BOX, [FLUX, {"on": ["left", "right"], "equation": "mean(u) = 0"}])
    with pytest.raises(UsageError, match="hard = true"):
        Problem.of(SOURCE, BOX, [FLUX, {"equation": "mean(u) = 0", "hard": True}])
    assert math.isfinite(solved("mean(u) = 0", FLUX, settings={"features": 50}).errors.score)
