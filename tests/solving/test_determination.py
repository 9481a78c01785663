"""What determines a solution: missing and ill-posed conditions, unknown numbers and their noise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.solving import Errors, Problem, Solution, solve

BOX = {"x": (0, 1), "y": (0, 1)}
SPAN = {"x": (0, 1), "t": (0, 1)}
WALLS: list[dict[str, Any]] = [{"on": "boundary", "equation": "u = 0"}]
FLUX = {"on": "boundary", "equation": "dn(u) = 0"}
START = {"on": "start", "equation": "u = sin(pi*x)"}
QUICK: dict[str, Any] = {"method": "least_squares", "features": 120, "scale": 8.0}
GOOD: dict[str, tuple[Any, dict[str, Any]]] = {
    "poisson": (("-lap(u) = 1", BOX, WALLS), {}),
    "not built in": (("-lap(u) = 1", BOX, [{**WALLS[0], "hard": False}]), {}),
    "fluxes": (("lap(u) = cos(pi*x)", BOX, [FLUX]), {}),
    "heat": (("u_t = 0.1*u_xx", SPAN, [*WALLS, START]), {}),
    "wave": (("u_tt = u_xx", SPAN, [*WALLS, START, {"on": "start", "equation": "u_t = 0"}]), {}),
    "helmholtz": (("lap(u) + 400*u = 1", BOX, WALLS), {}),
    "two fields": ((["lap(w) = m", "lap(m) = 1"], BOX, [{"on": "boundary", "equation": f"{key} = 0"} for key in "wm"]),
                   {}),
    "from one end": (("u_xx = -9*u", {"x": (0, 2)}, [{"on": "left", "equation": t} for t in ("u = 1", "u_x = 0")]), {}),
}  # fmt: skip
COUPLED = (
    ["lap(u) = u - v + cos(pi*x)", "lap(v) = v - u"],
    BOX,
    [{"on": "boundary", "equation": f"dn({key}) = 0"} for key in "uv"],
)
BAD: dict[str, tuple[Any, dict[str, Any]]] = {
    "a constant of two fields": (COUPLED, {}),
    "heat backwards": (("u_t = -u_xx", SPAN, [*WALLS, START]), {}),
    "waves in a closed box": (("u_xx - u_yy = 1", BOX, WALLS), {}),
    "an eigenvalue of a disc": (("lap(u) + 5.78318596294679*u = 1", {"x": (-1, 1), "y": (-1, 1)}, WALLS),
                                {"geometry": {"disc": {"radius": 1}}}),
}  # fmt: skip


def doubted(name: str, cases: dict[str, tuple[Any, dict[str, Any]]]) -> bool:
    arguments, tables = cases[name]
    solution = solve(Problem.of(*arguments, **tables), **QUICK)
    return any("hardly determine the solution" in note for note in solution.notes)


@pytest.mark.parametrize("name", BAD)
def test_solutions_that_little_determines_are_named(name: str) -> None:
    assert doubted(name, BAD)


@pytest.mark.parametrize("name", GOOD)
def test_others_are_not(name: str) -> None:
    assert not doubted(name, GOOD)


def decay(folder: Path, *, k: float = 1.7, noise: float = 0.01, given: str = "noise = 0.01", unknown: str = "start = 1",
          seed: int = 0) -> Solution:  # fmt: skip
    """u_x = -k u from u(0) = 1, with 40 values of exp(-k x)."""
    x = (np.arange(40) + 0.5) / 40
    u = np.exp(-k * x) + noise * np.random.default_rng(seed).standard_normal(40)
    np.savetxt(folder / "u.csv", np.c_[x, u], delimiter=",", header="x,u", comments="")
    (folder / "p.toml").write_text(
        f'[problem]\nequation = "u_x = -k*u"\n[axes]\nx = [0, 1]\n[unknowns]\nk = {{ {unknown} }}\n'
        f'[[condition]]\non = "left"\nequation = "u = 1"\n[[observed]]\nfile = "u.csv"\n{given}\n'
    )
    return solve(folder / "p.toml", method="least_squares", features=20, scale=3.0)


def test_the_standard_deviation_of_a_number_is_that_of_theory(tmp_path: Path) -> None:
    """sigma^2 / sum (x exp(-k x))^2; and estimates from other noise scatter by it."""
    x = (np.arange(40) + 0.5) / 40
    wanted = 0.01 / math.sqrt(((x * np.exp(-1.7 * x)) ** 2).sum())
    runs = [decay(tmp_path, seed=seed) for seed in range(12)]
    assert runs[0].unknowns_std["k"] == pytest.approx(wanted, rel=0.05)
    off = np.array([run.unknowns["k"] - 1.7 for run in runs]) / wanted
    assert 0.5 < float(np.sqrt((off**2).mean())) < 1.6
    assert all(0.6 < run.errors.observed["u"] < 1.4 for run in runs)
    doubts = ("bound", "noise", "deviation")
    assert not any(word in note for run in runs for note in run.notes for word in doubts)


def test_data_that_do_not_fit_are_named(tmp_path: Path) -> None:
    solution = decay(tmp_path, unknown="start = 1, low = 0.5, high = 1.2")
    assert any("k = 1.2 is at its bound" in note for note in solution.notes)
    assert any("times the noise of 0.01 off the measured u" in note for note in solution.notes)
    assert solution.errors.observed["u"] > 2
    assert solution.unknowns_std == {}


@pytest.mark.parametrize(("off", "score"), [(1.5, 1e-9), (10.0, 1e-2), (math.inf, math.inf)])
def test_data_that_do_not_fit_miss_the_target_although_the_equation_holds(off: float, score: float) -> None:
    assert Errors(1e-9, 1e-9, 1.0, {}, 0.0, observed={"u": off}).score == score


def test_noise_that_hides_the_data_is_named(tmp_path: Path) -> None:
    solution = decay(tmp_path, noise=0.0, given="noise = 3")
    assert any("noise = 3 is more than the measured u" in note for note in solution.notes)
    assert any("has a standard deviation of" in note for note in solution.notes)
