"""Numbers and coefficients that measured values determine, and a plate of fourth order as two equations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.solving import Problem, solve

HEAT = """
[problem]
equation = "u_t = kappa*lap(u)"
[axes]
x = [0, 1]
y = [0, 1]
t = [0, 0.5]
[unknowns]
kappa = { start = 1.0, low = 0.01, high = 10 }
[[condition]]
on = "boundary"
equation = "u = 0"
[[observed]]
file = "probe.csv"
noise = 0.01
"""
COEFFICIENT = "1/(1 + x**2 + y**2 + (x - 1)**2 + (y - 1)**2)"
SOURCE = (
    f"2*pi**2*sin(pi*x)*sin(pi*y)*({COEFFICIENT})"
    f" + 2*pi*({COEFFICIENT})**2*((2*x - 1)*cos(pi*x)*sin(pi*y) + (2*y - 1)*sin(pi*x)*cos(pi*y))"
)
DIFFUSION = f"""
[problem]
equation = "-div(a*grad(u)) = {SOURCE}"
[axes]
x = [0, 1]
y = [0, 1]
[fields]
u = {{}}
a = {{ unknown = true }}
[reference]
exact = {{ u = "sin(pi*x)*sin(pi*y)", a = "{COEFFICIENT}" }}
[[condition]]
on = "boundary"
equation = "u = 0"
[[condition]]
on = "boundary"
equation = "a = {COEFFICIENT}"
[[observed]]
file = "u.csv"
noise = 0.1
"""


def test_the_diffusivity_of_noisy_probes(tmp_path: Path) -> None:
    """200 values with 1 % noise determine kappa to 1 %."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 3)) * [1, 1, 0.5]
    u = np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1]) * np.exp(-0.3 * 2 * np.pi**2 * x[:, 2])
    table = np.c_[x, u + 0.01 * rng.standard_normal(200)]
    np.savetxt(tmp_path / "probe.csv", table, delimiter=",", header="x,y,t,u", comments="")
    (tmp_path / "heat.toml").write_text(HEAT)
    solution = solve(tmp_path / "heat.toml", method="least_squares", features=200, scale=8.0)
    assert solution.unknowns["kappa"] == pytest.approx(0.3, rel=0.01)


@pytest.fixture
def diffusion(tmp_path: Path) -> Path:
    """A problem file with 2500 values of noise 0.1."""
    g = (np.arange(50) + 0.5) / 50
    x, y = np.meshgrid(g, g, indexing="ij")
    u = np.sin(np.pi * x) * np.sin(np.pi * y) + 0.1 * np.random.default_rng(1).standard_normal(x.shape)
    np.savetxt(tmp_path / "u.csv", np.c_[x.ravel(), y.ravel(), u.ravel()], delimiter=",", header="x,y,u", comments="")
    path = tmp_path / "diffusion.toml"
    path.write_text(DIFFUSION)
    return path


def test_a_coefficient_that_varies(diffusion: Path) -> None:
    """a(x, y), known on the boundary, is found to 10 %."""
    solution = solve(diffusion, method="least_squares", features=80, scale=2.0)
    assert solution.errors.exact["a"] < 0.1
    assert solution.errors.exact["u"] < 0.05


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("noise = 0.1", "noise = 0", "noise is 0, expected a number above 0"),
        ('[[observed]]\nfile = "u.csv"\nnoise = 0.1\n', "", "a has no equation, and there are no"),
        ("a = { unknown = true }", "a = {}", "1 equation for 2 unknown fields"),
        ("unknown = true", "known = true", "expected {}, { complex = true }, { unknown = true } or { of = "),
    ],
)
def test_inverse_problems_that_are_refused(diffusion: Path, before: str, after: str, message: str) -> None:
    assert before in DIFFUSION
    diffusion.write_text(DIFFUSION.replace(before, after))
    with pytest.raises(UsageError, match=message):
        Problem.load(diffusion)


def test_a_plate_as_two_equations_of_second_order() -> None:
    """Navier's plate: its centre is 0.0184787681 at q0 = 0.015, D = 20.8333, a = b = 10."""
    walls = [{"on": "boundary", "equation": "w = 0"}, {"on": "boundary", "equation": "m = 0"}]
    equations = ["lap(w) = m", "D*lap(m) = 0.015*sin(pi*x/10)*sin(pi*y/10)"]
    axes = {"x": (0, 10), "y": (0, 10)}
    problem = Problem.of(equations, axes, walls, parameters={"D": 20.8333})
    solution = solve(problem, method="least_squares", features=120, scale=6.0)
    centre = solution.fit.render(size=(5, 5))[0][2, 2, solution.problem.scope.channels.index("w")]
    assert float(centre) == pytest.approx(0.0184787681, rel=1e-5)
    with pytest.raises(UsageError, match="equation 2 has no unknown field"):
        Problem.of([equations[0], "0*m = 1"], axes, walls, fields={"w": {}, "m": {}})
    with pytest.raises(UsageError, match="order 3"):
        Problem.of("bilap(w) = 1", axes, walls[:1])


def test_a_field_of_some_axes_does_not_vary_along_others() -> None:
    """u_t = a u_xx + s with a = 1 + x: as a field of x and t it varies along t; as one of x it hardly does."""
    fields = {"a": {"of": ["x"]}, "u": {}}
    conditions: list[dict[str, Any]] = [
        {"on": ["left", "right"], "equation": "u = 0"},
        {"on": "start", "equation": "u = sin(pi*x)"},
        {"on": "start", "equation": "a = 1 + x"},
    ]
    equations = ["u_t = (1 + x)*u_xx - u + (1 + x)*pi**2*u", "a_x = 1 + 0*t"]
    axes = {"x": (0, 1), "t": (0, 1)}
    problem = Problem.of(equations, axes, conditions, fields=fields)
    assert [c.text for c in problem.conditions if c.is_inside] == ["a_t = 0"]
    solution = solve(problem, method="least_squares", features=150, scale=6.0)
    assert solution.errors.boundary["a_t = 0"] < 1e-3
    x = torch.tensor([[0.25, 0.1], [0.25, 0.9]])
    assert solution.values(x, "a")[:, 0].tolist() == pytest.approx([1.25, 1.25], abs=1e-3)
    free: tuple[dict[str, Any], ...] = {"of": "x"}, {"of": []}, {"of": ["z"]}, {"of": ["x", "x"]}
    for wrong in free:
        with pytest.raises(UsageError, match="field a, of is"):
            Problem.of(equations, axes, conditions, fields={"u": {}, "a": wrong})
