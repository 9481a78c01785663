"""The page of a solved problem, and its video."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import inr
from inr.report.solution_film import FRAMES, solution_film
from inr.report.solution_page import number_found, solution_page
from inr.signals import Source
from inr.signals.files.videos import decode
from inr.solving import Problem, Solution
from inr.solving.lattice import Sampled

SMALL: dict[str, Any] = {"features": 40, "scale": 6.0, "method": "least_squares"}


def solved(**reference: str) -> Solution:
    conditions: list[dict[str, Any]] = [
        {"on": ["left", "right"], "equation": "u = 0"},
        {"on": "start", "equation": "u = sin(pi*x)"},
    ]
    problem = Problem.of("u_t = 0.1*u_xx", {"x": (0, 1), "t": (0, 1)}, conditions,
                         problem={"name": "heat <rod>"}, reference=reference)  # fmt: skip
    return inr.solve(problem, **SMALL)


def test_the_page_has_figures_errors_and_the_problem() -> None:
    solution = solved(exact="exp(-0.1*pi**2*t)*sin(pi*x)")
    text = solution_page(solution)
    assert text.count("<svg") == 2
    assert "<title>heat &lt;rod&gt;</title>" in text
    assert "<rod>" not in text
    assert f"<td>{solution.errors.residual:.2g}</td>" in text
    assert f"<td>{solution.errors.exact['u']:.2g}</td>" in text
    assert "<td>condition start</td><td>0 (built in)</td>" in text
    assert "0.1*u_xx" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_the_page_of_eigenvalues_has_their_errors() -> None:
    walls = [{"on": "boundary", "equation": "u = 0"}]
    kind = {"kind": "eigen", "states": 2}
    solution = inr.solve(Problem.of("-u_xx = E*u", {"x": (0, 1)}, walls, problem=kind), features=60, scale=6.0)
    text = solution_page(solution)
    assert f"<td>eigenvalue E2</td><td>{solution.errors.eigenvalues['E2']:.2g}</td>" in text
    assert "<dt>E1</dt><dd>9.8696044" in text
    assert "Largest relative error of an eigenvalue after each stage" in text


def test_numbers_have_the_digits_that_their_errors_leave() -> None:
    assert number_found(0.829912) == "0.829912"
    assert number_found(0.829912, 0.5) == "0.83"
    assert number_found(9.8696044010893, 1e-5) == "9.869604"
    assert number_found(9.8696044010893, 0.0) == "9.86960440109"


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_the_video_has_all_times_on_one_scale(suffix: str) -> None:
    data, _ = solution_film(Sampled.of(solved(), 41), suffix)
    frames = decode(Source(f"u{suffix}", data=data)).frames
    assert len(frames) == min(FRAMES, 41)
    curve = [
        np.argwhere((frame[60:, 50:, 2].astype(int) - frame[60:, 50:, 0]) > 60) for frame in (frames[0], frames[-1])
    ]
    top = [float(points[:, 0].min()) for points in curve]
    assert top[1] > top[0] + 50  # the hump has sunk


def test_maps_of_two_axes_of_space() -> None:
    walls = [{"on": "boundary", "equation": "u = 0"}, {"on": "start", "equation": "u = sin(pi*x)*sin(pi*y)"}]
    problem = Problem.of("u_t = 0.1*lap(u)", {"x": (0, 1), "y": (0, 1), "t": (0, 1)}, walls)
    data, _ = solution_film(Sampled.of(inr.solve(problem, **SMALL), 9), ".gif")
    assert decode(Source("u.gif", data=data)).frames.shape[0] == 9
