"""Conditions at points of a file, and types of conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.core.errors import InrError, UsageError
from inr.solving import Problem, solve

AXES = {"x": (0, 1), "y": (0, 1)}
TEXT = """
[problem]
equation = "lap(u) = 0"
[axes]
x = [0, 1]
y = [0, 1]
[[condition]]
on = "edge.csv"
equation = "{equation}"
[reference]
exact = "x**2 - y**2"
"""


def edge(folder: Path, header: str, *columns: Any) -> None:
    np.savetxt(folder / "edge.csv", np.stack(columns, -1), delimiter=",", header=header, comments="")


def outline() -> tuple[Any, Any, Any, Any]:
    """Points of the square's boundary, and its normals."""
    s = (np.arange(40) + 0.5) / 40
    x, y = np.r_[s, s, 0 * s, 0 * s + 1], np.r_[0 * s, 0 * s + 1, s, s]
    return x, y, np.r_[0 * s, 0 * s, 0 * s - 1, 0 * s + 1], np.r_[0 * s - 1, 0 * s + 1, 0 * s, 0 * s]


def problem(folder: Path, equation: str) -> Problem:
    (folder / "p.toml").write_text(TEXT.format(equation=equation))
    return Problem.load(folder / "p.toml")


def test_values_at_points(tmp_path: Path) -> None:
    x, y, _, _ = outline()
    edge(tmp_path, "x,y,g", x, y, x**2 - y**2)
    solution = solve(problem(tmp_path, "u = g"), method="least_squares", features=150, scale=4.0)
    assert solution.errors.exact["u"] < 1e-4
    assert 0 < solution.errors.boundary["edge.csv"] < 1e-3


def test_slopes_along_given_normals(tmp_path: Path) -> None:
    x, y, n, m = outline()
    edge(tmp_path, "x,y,n_x,n_y,h", x, y, n, m, 2 * x * n - 2 * y * m)
    solution = solve(problem(tmp_path, "dn(u) = h"), method="least_squares", features=150, scale=4.0)
    assert solution.errors.exact["u"] < 1e-4  # up to a constant


@pytest.mark.parametrize(
    ("header", "equation", "message"),
    [
        ("x,g", "u = g", "expected x, y"),
        ("x,y,u", "u = 0", "a column 'u', which is a name of the problem too"),
        ("x,y,g", "dn(u) = g", "has no columns n_x, n_y"),
        ("x,y,g", "u = h", "unknown name 'h'"),
        ("x,y,g", "g = 1", "has no unknown field"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, header: str, equation: str, message: str) -> None:
    columns = np.full(5, 0.5)
    edge(tmp_path, header, *[columns] * len(header.split(",")))
    with pytest.raises(InrError, match=message):
        problem(tmp_path, equation)


def test_points_outside_and_folders_above(tmp_path: Path) -> None:
    edge(tmp_path, "x,y", np.array([0.5, 2.0]), np.array([0.5, 0.5]))
    with pytest.raises(UsageError, match=r"1 points outside the axes, the first at \(2, 0.5\)"):
        problem(tmp_path, "u = 0")
    (tmp_path / "p.toml").write_text(TEXT.format(equation="u = 0").replace("edge.csv", "../edge.csv"))
    with pytest.raises(UsageError, match="outside the folder"):
        Problem.load(tmp_path / "p.toml")


@pytest.mark.parametrize(
    ("on", "equation", "types"),
    [
        ("boundary", "u = 0", ["dirichlet"]),
        ("boundary", "dn(u) = 1", ["neumann"]),
        ("boundary", "dn(u) + u = 1", ["robin"]),
        ("start", "u = 0", ["initial", "dirichlet"]),
    ],
)
def test_types_are_what_equations_say(on: str, equation: str, types: list[str]) -> None:
    def made(kind: str) -> Problem:
        rest = [{"on": "start" if on == "boundary" else "boundary", "equation": "u = x"}]
        return Problem.of(
            "u_t = lap(u)", {**AXES, "t": (0, 1)}, [{"on": on, "equation": equation, "type": kind}, *rest]
        )

    for kind in ("dirichlet", "neumann", "robin", "initial", "mean"):
        if kind in types:
            assert len(made(kind).conditions) == 2
        else:
            with pytest.raises(
                UsageError, match=f"has type = '{kind}', and '{equation.split()[0][0]}".replace("(", ".")
            ):
                made(kind)
    with pytest.raises(UsageError, match="did you mean"):
        made("dirichlett")
