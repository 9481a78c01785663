"""What is known of k lap(u) + c u = f before it is solved."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from torch import Generator

from inr.fields.solution import Solution as Config
from inr.solving import Problem, solve
from inr.solving.helmholtz import BEYOND, Helmholtz, helmholtz_of, number_of_features, reach_of, remarks_on
from inr.solving.least_squares import ACROSS_CORNER, with_waves

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


def plane_wave(waves: float, box: Any = BOX, **settings: Any) -> Problem:
    """cos(a.x) with so many wavelengths per unit of length."""
    k = 2 * math.pi * waves
    wave = f"cos({k * math.cos(0.5)}*x + {k * math.sin(0.5)}*y)"
    sides = [{"on": "boundary", "equation": f"u = {wave}"}]
    return Problem.of(f"lap(u) + {k}**2*u = 0", box, sides, reference={"exact": wave}, solve=settings)


def test_more_waves_than_the_features_resolve() -> None:
    [note] = remarks_on(plane_wave(20.13, features=800))
    assert note == (
        "about 20 wavelengths across: 800 features resolve 8. Set solve.features to 3300, or solve a smaller part."
    )
    assert remarks_on(plane_wave(20.13, features=3300)) == remarks_on(plane_wave(3.13, features=8)) == []


def test_more_waves_than_any_features_resolve() -> None:
    [note] = remarks_on(plane_wave(31.13))
    assert note == "about 31 wavelengths across: 2500 features resolve 17. Solve a smaller part."


def test_the_number_of_features_grows_with_the_waves() -> None:
    assert number_of_features(plane_wave(3.13)) == number_of_features(plane_wave(7.13)) == 800
    assert number_of_features(plane_wave(12.13)) == 1500
    assert number_of_features(plane_wave(31.13)) == 2500
    assert number_of_features(plane_wave(31.13, features=100)) == 100
    states = Problem.of("-u_xx = E*u", {"x": (0, 1)}, WALLS, problem={"kind": "eigen", "states": 2})
    assert number_of_features(states) == 800


def test_features_have_the_frequencies_of_the_waves() -> None:
    reach = reach_of(plane_wave(8.0, {"x": (0, 2), "y": (0, 0.5)}))
    assert reach == pytest.approx((16 * math.pi + BEYOND, 4 * math.pi + BEYOND))
    assert reach_of(plane_wave(3.13)) == reach_of(Problem.of("lap(u) - 900*u = 1", BOX, WALLS)) == ()
    assert reach_of(Problem.of("lap(u) + 900*u = 1", BOX | {"z": (0, 1)}, WALLS)) == ()


def test_frequencies_fill_an_ellipse_evenly() -> None:
    """A quarter of an ellipse is within half of its axes. Inputs of a periodic axis count radians of its angle."""
    config = Config(low=(0.0, 0.0), high=(2.0, 0.5))
    first = with_waves(config, 4000, (60.0, 20.0), Generator().manual_seed(0)).weights[0].detach()
    radii = (first / first.new_tensor([60.0, 20.0])).norm(dim=1)
    assert float(radii.max()) <= 1 + 1e-12
    assert float((radii < 0.5).double().mean()) == pytest.approx(0.25, abs=0.03)
    closed = dataclasses.replace(config, periodic=("x",), corners=("x*y",))
    first = with_waves(closed, 4000, (60.0, 20.0), Generator().manual_seed(0)).weights[0].detach()
    assert first.abs().amax(0).tolist() == pytest.approx([60 / math.pi, 60 / math.pi, 20, ACROSS_CORNER], rel=0.1)


def test_many_waves_are_solved() -> None:
    """8 wavelengths with 720 features; features of other frequencies miss them."""
    problem = plane_wave(8.13, features=720, method="least_squares", time_s=0.1)
    solution = solve(problem)
    assert [stage.what for stage in solution.stages] == ["least squares, waves, scale 32"]
    assert solution.errors.exact["u"] < 1e-2
    assert solve(problem, scale=32.0).errors.exact["u"] > 10 * solution.errors.exact["u"]


def test_a_source_that_varies_faster_than_the_waves() -> None:
    """Features of the wave's frequencies do not have it, so wider ones are tried."""
    source = "(30**2 - 60**2)*sin(60*x)"
    axes, walls = {"x": (0, 1)}, [{"on": "boundary", "equation": "u = sin(60*x)"}]
    problem = Problem.of(f"u_xx + 30**2*u = {source}", axes, walls, reference={"exact": "sin(60*x)"})
    solution = solve(problem, method="least_squares", features=60)
    assert [stage.what for stage in solution.stages] == [f"least squares, waves, scale {s}" for s in ("21.5", "32.2")]
    assert solution.errors.exact["u"] < 1e-5


def test_a_condition_that_counts_for_too_little() -> None:
    conditions: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0", "hard": False, "weight": 1e-6}]
    solution = solve(Problem.of("-lap(u) = 1", BOX, conditions), method="least_squares", features=40, scale=4.0)
    assert any("is off by" in note and "although the equation holds" in note for note in solution.notes)
