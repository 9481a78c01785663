"""What is known of k lap(u) + c u = f before it is solved."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inr.solving import Problem, solve
from inr.solving.helmholtz import Helmholtz, helmholtz_of, remarks_on

BOX = {"x": (0, 1), "y": (0, 1)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]


@pytest.mark.parametrize(
    ("equation", "wanted"),
    [
        ("lap(u) = -1", Helmholtz(1, 0)),
        ("3 = -2*lap(u) + 5*u", Helmholtz(2, -5)),
        ("u_xx + 2*u_yy = 1", None),
        ("u_xx = 1", None),
        ("lap(u) + x*u = 1", None),
        ("lap(u) + u**2 = 1", None),
        ("lap(u) + u_x = 1", None),
    ],
)
def test_the_numbers_of_an_equation(equation: str, wanted: Helmholtz | None) -> None:
    found = helmholtz_of(Problem.of(equation, BOX, WALLS))
    if wanted is None or found is None:
        assert found is wanted is None
        return
    assert found.value / found.laplacian == wanted.value / wanted.laplacian
    assert abs(found.laplacian) == wanted.laplacian


def test_eigenvalues_of_the_box_are_named() -> None:
    """pi^2 (m^2 + n^2) for m = 1, n = 2 is 49.348."""
    [note] = remarks_on(Problem.of("lap(u) + 49.35*u = 1", BOX, WALLS))
    assert note.startswith("k^2 = 49.35 is within 0.1 % of an eigenvalue of this box (49.348)")
    assert remarks_on(Problem.of("lap(u) + 48*u = 1", BOX, WALLS)) == []
    assert remarks_on(Problem.of("lap(u) - 49.35*u = 1", BOX, WALLS)) == []
    flux = [{"on": "boundary", "equation": "dn(u) + u = 0"}]
    assert remarks_on(Problem.of("lap(u) + 49.35*u = 1", BOX, flux)) == []


def test_more_waves_than_the_features_resolve() -> None:
    k = 2 * math.pi * 31
    [note] = remarks_on(Problem.of(f"lap(u) + {k}**2*u = 1", BOX, WALLS, solve={"features": 800}))
    assert note.startswith("about 31 wavelengths across: 800 features resolve 13. Set solve.features to 4600")


def test_a_condition_that_counts_for_too_little() -> None:
    conditions: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0", "hard": False, "weight": 1e-6}]
    solution = solve(Problem.of("-lap(u) = 1", BOX, conditions), method="least_squares", features=40, scale=4.0)
    assert any("is off by" in note and "although the equation holds" in note for note in solution.notes)
