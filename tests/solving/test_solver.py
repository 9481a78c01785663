"""Problems with closed forms, solved; and what is said where something is missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from inr.core.errors import ConfigError, UsageError
from inr.solving import Problem, solve
from inr.solving.solver import Solution

BOX = {"x": (0, 1), "y": (0, 1)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]
LN = "log(x**2 + y**2)/(2*log(2))"
CASES: dict[str, tuple[Any, float, dict[str, Any]]] = {
    "T2": (("-lap(u) = 2*pi**2*sin(pi*x)*sin(pi*y)", BOX, WALLS, "sin(pi*x)*sin(pi*y)"), 1e-9, {}),
    "T4 disc": (("lap(u) = -4", {"x": (-1, 1), "y": (-1, 1)}, WALLS, "1 - x**2 - y**2"), 1e-9,
                {"geometry": {"disc": {"radius": 1}}}),
    "formula": (("lap(u) = -4", {"x": (-1.1, 1.1), "y": (-1.1, 1.1)}, WALLS, "1 - x**2 - y**2"), 1e-7,
                {"geometry": {"sdf_expression": "x**2 + y**2 - 1"}}),
    "T4 annulus": (("lap(u) = 0", {"x": (-2, 2), "y": (-2, 2)}, [{"on": "inner", "equation": "u = 0"},
                    {"on": "outer", "equation": "u = 1"}], LN), 1e-3,
                   {"geometry": {"annulus": {"inner": 1, "outer": 2}}}),
    "fluxes": (("-lap(u) = 2*pi**2*cos(pi*x)*cos(pi*y)", BOX, [{"on": "boundary", "equation": "dn(u) = 0"}],
                "cos(pi*x)*cos(pi*y)"), 1e-6, {}),
    "periodic": (("-lap(u) + u = (1 + 8*pi**2)*sin(2*pi*x)*cos(2*pi*y)", BOX, [], "sin(2*pi*x)*cos(2*pi*y)"), 2e-2,
                 {"problem": {"periodic": ["x", "y"]}}),
    "T13": (("u_t = 0.1*u_xx", {"x": (0, 1), "t": (0, 1)}, [{"on": ["left", "right"], "equation": "u = 0"},
             {"on": "start", "equation": "u = sin(pi*x)"}], "exp(-0.1*pi**2*t)*sin(pi*x)"), 1e-8, {}),
    "T12": (("u_tt = u_xx", {"x": (0, 1), "t": (0, 1)}, [{"on": ["left", "right"], "equation": "u = 0"},
             {"on": "start", "equation": "u = sin(pi*x)"}, {"on": "start", "equation": "u_t = 0"}],
             "sin(pi*x)*cos(pi*t)"), 1e-8, {}),
    "nonlinear": (("lap(u) + u**2 = x**2*y**2", BOX, [{"on": "boundary", "equation": "u = x*y"}], "x*y"), 1e-10, {}),
    "plane wave": (("lap(E) + 25*E = 0", BOX, [{"on": "boundary", "equation": "E = exp(5*i*x)"}], "exp(5*i*x)"), 1e-8,
                   {"fields": {"E": {"complex": True}}}),
}  # fmt: skip


BESIDE: dict[str, Any] = {
    "time beside a disc": (
        "u_t = lap(u) - 5", {"x": (-1, 1), "y": (-1, 1), "t": (0, 1)},
        [{"on": "boundary", "equation": "u = 1 - t"}, {"on": "start", "equation": "u = x**2 + y**2"}],
        "x**2 + y**2 - t", {"geometry": {"disc": {"radius": 1}}}),
    "a parameter beside a circle": (
        "u_xx + u_yy = -4*a", {"x": (-1, 1), "y": (-1, 1), "a": (1, 3)}, WALLS, "a*(1 - x**2 - y**2)",
        {"geometry": {"sdf_expression": "x**2 + y**2 - 1"}}),
    "a parameter beside a line": (
        "u_xx = -a**2*sin(a*x)", {"x": (0, 1), "a": (1, 3)},
        [{"on": "left", "equation": "u = 0"}, {"on": "right", "equation": "u = sin(a)"}], "sin(a*x)", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_axes_beside_a_domain(name: str) -> None:
    *arguments, tables = BESIDE[name]
    solution = solve(made(*arguments, **tables), method="least_squares", features=200, scale=4.0)
    assert solution.errors.exact["u"] < (1e-4 if "circle" in name else 1e-6)


def test_a_disc_with_another_axis_says_what_takes_it() -> None:
    axes = {"x": (-1, 1), "y": (-1, 1), "a": (0, 1)}
    with pytest.raises(UsageError, match="a disc has two axes, and there are 3 beside t: x, y, a") as error:
        Problem.of("lap(u) = a", axes, WALLS, geometry={"disc": {"radius": 1}})
    assert "sdf_expression" in str(error.value.hint)


def made(equation: str, axes: Any, conditions: Any, exact: str, **tables: Any) -> Problem:
    return Problem.of(equation, axes, conditions, reference={"exact": exact}, **tables)


@pytest.mark.parametrize("name", CASES)
def test_closed_forms(name: str) -> None:
    arguments, tolerance, tables = CASES[name]
    solution = solve(made(*arguments, **tables), method="least_squares", features=150, scale=6.0)
    assert max(solution.errors.exact.values()) < tolerance
    assert solution.errors.bound is None or solution.errors.bound >= max(solution.errors.exact_max.values()) / 1.01
    assert solution.errors.residual < 2e-2


@pytest.mark.parametrize("is_backwards", [False, True])
def test_a_nonlinear_equation_along_a_line_from_one_end(is_backwards: bool) -> None:
    """Logistic growth from 0.02: values that stay near 0 have a small residual too."""
    sign, side, x = ("-", "right", "(8 - x)") if is_backwards else ("", "left", "x")
    problem = made(f"u_x = {sign}u*(1 - u)", {"x": (0, 8)}, [{"on": side, "equation": "u = 0.02"}],
                   f"1/(1 + 49*exp(-{x}))")  # fmt: skip
    assert solve(problem, method="least_squares", features=40, scale=8.0).errors.exact["u"] < 1e-5


def test_values_whose_formula_is_singular_inside() -> None:
    """On the unit circle x/(x^2 + y^2) is x, and lap(u) = 0 has the solution x; the formula solves it but at 0."""
    sides = [{"on": "boundary", "equation": "u = x/(x**2 + y**2)"}]
    problem = made("lap(u) = 0", {"x": (-1, 1), "y": (-1, 1)}, sides, "x", geometry={"disc": {"radius": 1}})
    assert solve(problem, method="least_squares", features=100, scale=4.0).errors.exact["u"] < 1e-4


def test_a_start_with_a_kink_along_a_periodic_axis() -> None:
    """x (1 - x) = 1/6 - sum cos(2 pi n x) / (pi n)^2, of which each term decays by itself."""
    problem = Problem.of("u_t = 0.1*u_xx", {"x": (0, 1), "t": (0, 1)}, [{"on": "start", "equation": "u = x*(1 - x)"}],
                         problem={"periodic": ["x"]})  # fmt: skip
    solution = solve(problem, method="least_squares", features=200, scale=12.0)
    x = torch.linspace(0, 1, 41, dtype=torch.float64)
    wanted = torch.full_like(x, 1 / 6)
    for n in range(1, 30):
        wanted -= torch.cos(2 * torch.pi * n * x) / (torch.pi * n) ** 2 * math.exp(-0.1 * (2 * math.pi * n) ** 2 * 0.4)
    found = solution.values(torch.stack([x, torch.full_like(x, 0.4)], 1), "u")[:, 0]
    assert float((found - wanted).abs().max()) < 2e-3
    assert any("do not repeat along x" in note for note in solution.notes)


def test_the_square_with_a_constant_source() -> None:
    """T3: the series has u(1/2, 1/2) = 0.0736713533; the corners are singular, and the note says so."""
    solution = solve(Problem.of("-lap(u) = 1", BOX, WALLS), method="least_squares", features=200, scale=12.0)
    found = float(solution.fit(torch.tensor([[0.5, 0.5]], dtype=torch.float64)))
    assert abs(found - 0.0736713533) < 2e-5
    assert solution.errors.bound is not None
    assert solution.errors.bound > abs(found - 0.0736713533)
    assert solution.outcome == "target_not_reached"
    assert any("not between them" in note and "singular there" in note for note in solution.notes)


@pytest.mark.parametrize("method", ["gauss_newton", "adam", "soap"])
def test_other_methods_lower_the_residual(method: str) -> None:
    arguments, _, tables = CASES["T2"]
    problem = made(*arguments, **tables)
    solution = solve(problem, method=method, width=12, points=150, time_s=2.5, omega=2.0, lr=0.01)
    assert solution.errors.exact["u"] < (0.02 if method == "gauss_newton" else 0.5)
    assert solution.stages[0].what.startswith("Gauss-Newton" if method == "gauss_newton" else method)


def test_points_follow_the_residual_and_the_order_of_time() -> None:
    problem = Problem.of("u_t = 0.05*u_xx", {"x": (0, 1), "t": (0, 1)}, [
        {"on": ["left", "right"], "equation": "u = 0"}, {"on": "start", "equation": "u = sin(pi*x)"}])  # fmt: skip
    solution = solve(problem, method="gauss_newton", width=10, points=100, time_s=2, sampler="rad", causal=1.0)
    assert solution.errors.residual < 0.2


def test_unknown_numbers_are_found(tmp_path: Path) -> None:
    """T23: a diffusivity from exact values at some points."""
    rng = np.random.default_rng(0)
    x, t = rng.uniform(size=(2, 60))
    u = np.exp(-0.3 * np.pi**2 * t) * np.sin(np.pi * x)
    rows = "\n".join(f"{a:.17g},{b:.17g},{c:.17g}" for a, b, c in zip(x, t, u, strict=True))
    (tmp_path / "probe.csv").write_text(f"x,t,u\n{rows}\n")
    (tmp_path / "heat.toml").write_text(
        '[problem]\nequation = "u_t = kappa*u_xx"\n[axes]\nx = [0, 1]\nt = [0, 1]\n'
        "[unknowns]\nkappa = { start = 1, low = 0.01, high = 10 }\n"
        '[[condition]]\non = ["left", "right"]\nequation = "u = 0"\n[[observed]]\nfile = "probe.csv"\n'
    )
    solution = solve(tmp_path / "heat.toml", method="least_squares", features=150, scale=5.0)
    assert math.isclose(solution.unknowns["kappa"], 0.3, rel_tol=1e-4)


def test_the_same_seed_gives_the_same_solution() -> None:
    arguments, _, tables = CASES["T2"]
    first, second, other = (
        solve(made(*arguments, **tables), method="least_squares", features=60, scale=5.0, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.fit.to_bytes() == second.fit.to_bytes()
    assert first.fit.to_bytes() != other.fit.to_bytes()


def test_files_keep_the_solution(tmp_path: Path) -> None:
    arguments, _, tables = CASES["nonlinear"]
    solution: Solution = inr.solve(made(*arguments, **tables), method="least_squares", features=60, scale=4.0)
    solution.save(tmp_path / "u.safetensors")
    again = inr.load(tmp_path / "u.safetensors")
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(again(x), solution.fit(x))
    assert again.provenance["solved"]["errors"]["residual"] == solution.errors.residual
    values, _ = again.render(size=(5, 5))
    assert abs(values[2, 2, 0] - 0.25) < 1e-6
    assert again.frame.domain.axes == ("x", "y")


def test_settings_are_checked() -> None:
    arguments, _, tables = CASES["T2"]
    with pytest.raises(ConfigError, match="features"):
        solve(made(*arguments, **tables), features=1)
    with pytest.raises(TypeError):
        solve(made(*arguments, **tables), nothing=1)


def test_disagreeing_corners_are_said() -> None:
    conditions = [{"on": "top", "equation": "u = 1"}, *WALLS]
    solution = solve(Problem.of("lap(u) = 0", BOX, conditions), method="least_squares", features=60, scale=6.0)
    assert any("conditions disagree at (0, 1)" in note for note in solution.notes)
    assert solution.errors.boundary["top"] > 0


def test_windows_of_the_time_continue_each_other(tmp_path: Path) -> None:
    """T13, and a field that is continuous at the edges, in its file too."""
    arguments, _, tables = CASES["T13"]
    problem = made(*arguments, **tables)
    solution = solve(problem, method="least_squares", windows=3, features=80, scale=5.0)
    assert solution.errors.exact["u"] < 1e-6
    assert solution.stages[-1].what.startswith("window 3, least squares")
    edge = torch.tensor([[0.3, 1 / 3], [0.7, 2 / 3]], dtype=torch.float64)
    assert torch.allclose(solution.fit(edge - 1e-9), solution.fit(edge + 1e-9), rtol=0, atol=1e-7)
    solution.save(tmp_path / "u.safetensors")
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(inr.load(tmp_path / "u.safetensors")(x), solution.fit(x))


def test_windows_start_from_the_network_before() -> None:
    arguments, _, tables = CASES["T13"]
    solution = solve(made(*arguments, **tables), method="gauss_newton", windows=2, width=6, points=100, time_s=3)
    assert [s.what.split(",")[0] for s in solution.stages] == ["window 1"] * 2 + ["window 2"] * 2
    assert solution.errors.exact["u"] < 0.05


@pytest.mark.parametrize(("case", "message"), [("T12", "not of first order in time"), ("T2", "not of first order")])
def test_windows_need_an_equation_of_first_order_in_time(case: str, message: str) -> None:
    arguments, _, tables = CASES[case]
    with pytest.raises(UsageError, match=message):
        solve(made(*arguments, **tables), windows=2)


def test_windows_need_values_at_the_start() -> None:
    walls: Any = {"on": ["left", "right"], "equation": "u = 0"}
    conditions = [walls, {"on": "start", "equation": "u = sin(pi*x)", "hard": False}]
    problem = Problem.of("u_t = u_xx", {"x": (0, 1), "t": (0, 1)}, conditions)
    with pytest.raises(UsageError, match="values of u at the start are not built in"):
        solve(problem, windows=2)
