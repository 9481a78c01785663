"""Coefficients from files: what they are between samples, in an equation, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from inr.core.errors import InrError
from inr.core.tensor_formula import tensor_of
from inr.solving import Problem, solve
from inr.solving.data import data_of
from inr.solving.inverse import observed_of

AXES = {"x": (0.0, 1.0), "y": (-1.0, 1.0), "t": (0.0, 1.0)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]


def at(node: Any, x: float, y: float) -> float:
    values = {"x": torch.tensor([x], dtype=torch.float64), "y": torch.tensor([y], dtype=torch.float64)}
    return float(tensor_of(node, values, values["x"]))


def test_cubic_samples_have_the_values_and_derivatives_of_a_cubic(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(0, 1, 6), np.linspace(-1, 1, 9), indexing="ij")
    np.save(tmp_path / "k.npy", x**3 - 2 * x * y**2)
    node = data_of("k", {"file": str(tmp_path / "k.npy"), "interpolate": "cubic"}, AXES, None).formula
    assert at(node, 0.37, 0.21) == pytest.approx(0.37**3 - 2 * 0.37 * 0.21**2, abs=1e-12)
    table = node.table
    assert table is not None
    assert table.by(0)(0.37, 0.21) == pytest.approx(3 * 0.37**2 - 2 * 0.21**2, abs=1e-11)
    assert table.by(0).by(1)(0.37, 0.21) == pytest.approx(-4 * 0.21, abs=1e-10)


def test_all_forms_of_a_file_are_the_same_function(tmp_path: Path) -> None:
    lines = np.linspace(0, 1, 5), np.linspace(-1, 1, 7)
    x, y = np.meshgrid(*lines, indexing="ij")
    k = 1 + x - 0.5 * y
    np.save(tmp_path / "k.npy", k)
    np.savez(tmp_path / "k.npz", k=k, axis_x=lines[0], axis_y=lines[1])
    rows = np.random.default_rng(0).permutation(np.stack([x.ravel(), y.ravel(), k.ravel()], -1))
    np.savetxt(tmp_path / "k.csv", rows, delimiter=",", header="x,y,k", comments="")
    for suffix in ("npy", "npz", "csv"):
        node = data_of("k", {"file": str(tmp_path / f"k.{suffix}")}, AXES, None).formula
        assert at(node, 0.33, 0.81) == pytest.approx(1 + 0.33 - 0.405, abs=1e-12), suffix


def test_a_picture_fills_the_axes_with_y_upwards(tmp_path: Path) -> None:
    pixels = np.zeros((10, 20), np.uint8)
    pixels[:5] = 255  # the upper half
    Pillow.fromarray(pixels).save(tmp_path / "n.png")
    node = data_of("n", {"file": str(tmp_path / "n.png"), "range": [1.0, 2.0]}, AXES, None).formula
    assert at(node, 0.5, 0.9) == pytest.approx(2)
    assert at(node, 0.5, -0.9) == pytest.approx(1)
    assert at(node, 0.5, 0.0) == pytest.approx(1.5)


def test_a_coefficient_and_a_condition_of_a_file_give_the_exact_solution(tmp_path: Path) -> None:
    """div(k grad u) = -2 pi^2 k sin sin + grad k . grad(sin sin) with k = 1 + x^2."""
    x = np.linspace(0, 1, 41)
    np.save(tmp_path / "k.npy", 1 + x**2)
    np.save(tmp_path / "edge.npy", np.sin(np.pi * x))
    exact = "sin(pi*x)*cosh(y)"
    problem = Problem.of(
        f"div(k*grad(u)) = (1 + x**2)*(1 - pi**2)*{exact} + 2*x*pi*cos(pi*x)*cosh(y)",
        {"x": (0, 1), "y": (0, 1)},
        [{"on": "bottom", "equation": "u = edge"}, {"on": "top", "equation": "u = edge*cosh(1)"}, *WALLS],
        data={"k": {"file": str(tmp_path / "k.npy"), "of": ["x"], "interpolate": "cubic"},
              "edge": {"file": str(tmp_path / "edge.npy"), "of": ["x"], "interpolate": "cubic"}},
        reference={"exact": exact},
    )  # fmt: skip
    solution = solve(problem, method="least_squares", features=150, scale=6.0, target=0.1)
    assert solution.errors.exact["u"] < 1e-4
    assert solution.fit.to_bytes()


def test_a_linear_coefficient_has_no_derivative(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.ones((4, 4)))
    table = {"k": {"file": str(tmp_path / "k.npy")}}
    axes = {"x": (0, 1), "y": (0, 1)}
    with pytest.raises(InrError, match="has a derivative of k, which is interpolated linearly") as error:
        Problem.of("div(k*grad(u)) = -1", axes, WALLS, data=table)
    assert error.value.hint == 'interpolate = "cubic" in [data] k'
    Problem.of("k*lap(u) = -1", axes, WALLS, data=table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"file": "none.npy"}, "'none.npy' cannot be read"),
        ({}, "expected { file ="),
        ({"file": "k.npy", "interpolation": "cubic"}, "unknown entry 'interpolation'"),
        ({"file": "k.npy", "interpolate": "spline"}, "expected linear or cubic"),
        ({"file": "k.npy", "of": ["z"]}, "expected axes out of x, y, t"),
        ({"file": "k.npy", "of": ["x"]}, "expected 1 axes: x"),
        ({"file": "k.npy", "range": [0, 1]}, "is not a picture"),
        ({"file": "nan.npy"}, "not finite"),
        ({"file": "small.npy", "interpolate": "cubic"}, "at least 4 per axis"),
        ({"file": "short.npz"}, "reaches from 0 to 0.5 along x"),
        ({"file": "short.npz", "value": "q"}, "no 'q'"),
        ({"file": "holes.csv"}, "lacks 1 points of its lattice"),
        ({"file": "text.npy"}, "cannot be read as NumPy arrays"),
        ({"file": "../k.npy"}, "outside the folder"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    np.save(tmp_path / "k.npy", np.ones((5, 5)))
    np.save(tmp_path / "nan.npy", np.full((5, 5), np.nan))
    np.save(tmp_path / "small.npy", np.ones((3, 5)))
    np.savez(tmp_path / "short.npz", k=np.ones((3, 3)), axis_x=[0, 0.2, 0.5], axis_y=[-1, 0, 1])
    (tmp_path / "holes.csv").write_text("x,y,k\n0,-1,1\n1,-1,1\n0,1,1\n")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InrError) as error:
        data_of("k", table, AXES, tmp_path)
    assert message in error.value.message


def test_measured_values_come_from_three_formats(tmp_path: Path) -> None:
    scope = Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, WALLS).scope
    columns = np.random.default_rng(0).random((7, 3))
    np.save(tmp_path / "u.npy", columns)
    np.savez(tmp_path / "u.npz", x=columns[:, 0], y=columns[:, 1], u=columns[:, 2])
    np.savetxt(tmp_path / "u.csv", columns, delimiter=",", header="x,y,u", comments="", fmt="%.17g")
    for table in ({"file": "u.npy", "columns": ["x", "y", "u"]}, {"file": "u.npz"}, {"file": "u.csv"}):
        [found] = observed_of(table, scope, tmp_path)
        assert torch.equal(torch.cat([found.x, found.y[:, None]], 1), torch.from_numpy(columns))
    with pytest.raises(InrError, match="K names of columns"):
        observed_of({"file": "u.npy"}, scope, tmp_path)
    np.savez(tmp_path / "v.npz", x=columns[:3, 0], y=columns[:, 1], u=columns[:, 2])
    with pytest.raises(InrError, match="differ in length: x 3"):
        observed_of({"file": "v.npz"}, scope, tmp_path)


def test_a_gaussian_has_its_integral_and_a_spot() -> None:
    table = {"gaussian": {"at": [0.4, -0.2], "std": 0.05, "integral": 3}}
    node = data_of("q", table, AXES, None).formula
    x, y = (torch.linspace(low, high, 201, dtype=torch.float64) for low, high in (AXES["x"], AXES["y"]))
    grid = torch.cartesian_prod(x, y)
    values = tensor_of(node, {"x": grid[:, 0], "y": grid[:, 1]}, grid[:, 0])
    assert float(values.sum() / 200**2 * 2) == pytest.approx(3, rel=1e-6)
    assert at(node, 0.4, -0.2) == pytest.approx(3 / (2 * np.pi * 0.05**2))
    problem = Problem.of("lap(u) = -q", {"x": (0, 1), "y": (-1, 1)}, WALLS, data={"q": table})
    assert [(spot.at, spot.size) for spot in problem.spots] == [((0.4, -0.2), 0.05)]


@pytest.mark.parametrize(
    "given",
    [
        {"at": [0.4], "std": 0.05},
        {"at": [0.4, 0.1], "std": 0},
        {"at": [0.4, 0.1]},
        {"at": 0.4, "std": 1},
        {"at": [0.4, 0.1], "std": 0.1, "mass": 2},
        3,
    ],
)
def test_other_gaussians_are_refused(given: Any) -> None:
    with pytest.raises(InrError, match="data q"):
        Problem.of("lap(u) = -q", {"x": (0, 1), "y": (-1, 1)}, WALLS, data={"q": {"gaussian": given}})
