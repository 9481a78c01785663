"""A lattice of a solution holds the values of the field."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.report.solution_figure import solution_figure
from inr.solving import Problem, Solution, solve
from inr.solving.lattice import Sampled


@pytest.fixture(scope="module")
def solution() -> Solution:
    axes, walls = {"x": (-1, 1), "y": (-2, 2)}, [{"on": "boundary", "equation": "u = x + 3*y"}]
    problem = Problem.of("lap(u) = 0", axes, walls, geometry={"disc": {"radius": 1}})
    return solve(problem, method="least_squares", features=60, scale=3.0)


def test_npz(solution: Solution) -> None:
    sampled = Sampled.of(solution, 41)
    with np.load(io.BytesIO(sampled.to_npz())) as file:
        x, y = np.meshgrid(file["axis_x"], file["axis_y"], indexing="ij")
        mask = file["mask"]
        assert mask[x**2 + y**2 < 1 - 1e-9].all()
        assert not mask[x**2 + y**2 > 1 + 1e-9].any()
        assert mask.sum() > 300
        np.testing.assert_allclose(file["u"][mask], (x + 3 * y)[mask], atol=1e-9)
        assert np.isnan(file["u"][~mask]).all()
        assert np.nanmax(file["residual"]) < 1e-6


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figures(solution: Solution, suffix: str) -> None:
    sampled = Sampled.of(solution, 21)
    data = solution_figure(sampled, "$harmonic$", suffix)
    assert data == solution_figure(sampled, "$harmonic$", suffix)
    assert data[:4] in (b"\x89PNG", b"<?xm", b"%PDF")


def test_figures_of_lines_and_refusals(solution: Solution) -> None:
    line = solve(Problem.of("u_x = 1", {"x": (0, 1)}, [{"on": "left", "equation": "u = 0"}]), features=20, scale=2.0)
    sampled = Sampled.of(line)
    np.testing.assert_allclose(sampled.values["u"], sampled.axes["x"], atol=1e-9)
    assert solution_figure(sampled, "line", ".png")[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match=r"\.bmp"):
        solution_figure(sampled, "line", ".bmp")


def test_the_residual_is_that_of_the_numbers_that_were_found(tmp_path: Path) -> None:
    """u_x = -k u starts from k = 1 and finds k = 3: with k = 1 the residual would be up to 2."""
    x = np.linspace(0, 1, 20)
    np.savetxt(tmp_path / "u.csv", np.c_[x, np.exp(-3 * x)], delimiter=",", header="x,u", comments="")
    (tmp_path / "p.toml").write_text(
        '[problem]\nequation = "u_x = -k*u"\n[axes]\nx = [0, 1]\n[unknowns]\nk = { start = 1 }\n'
        '[[condition]]\non = "left"\nequation = "u = 1"\n[[observed]]\nfile = "u.csv"\nnoise = 1e-3\n'
    )
    found = solve(tmp_path / "p.toml", method="least_squares", features=20, scale=3.0)
    assert found.unknowns["k"] == pytest.approx(3, rel=1e-3)
    assert Sampled.of(found, 50).residual.max() < 1e-2
