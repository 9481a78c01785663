"""Tasks by fields against the direct solution, and what a result holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from inr.fitting import Fit
from inr.solving.pictures import PictureProblem

EDGE = {"method": "edge", "steps": 300, "vertices": 8}


def pixels(name: str) -> np.ndarray:
    return np.asarray(Pillow.open(name)) / 255


def test_a_clone_has_the_source_s_differences_and_the_target_around_it(pictures: Path) -> None:
    problem = PictureProblem.of("clone", "target.png", "source.png", mask="mask.png", at=(10, 8))
    solution = problem.solve()
    free = np.zeros((40, 48), np.bool_)
    free[8:28, 10:34] = pixels("mask.png") > 0.5
    assert solution.n_free == free.sum()
    assert (solution.values[~free] == pixels("target.png")[~free]).all()
    source = np.zeros((40, 48, 3))
    source[8:28, 10:34] = pixels("source.png")
    correction = np.where(free[..., None], solution.values - source, np.nan)
    inside = correction[1:-1, 1:-1]
    around = correction[:-2, 1:-1] + correction[2:, 1:-1] + correction[1:-1, :-2] + correction[1:-1, 2:]
    off = (around - 4 * inside)[~np.isnan(around - inside)]
    assert off.size > 100
    assert np.abs(off).max() < 1e-12  # harmonic, where all neighbours are free


@pytest.mark.parametrize("task", ["clone", "mixed"])
def test_a_field_finds_the_direct_solution(pictures: Path, task: str) -> None:
    """Test B: within one grey level, for a circular mask."""
    solution = PictureProblem.of(task, "target.png", "source.png", mask="mask.png", at=(10, 8), solve=EDGE).solve()
    assert solution.off is not None
    assert solution.off_max is not None
    assert 0 < solution.off < 0.5
    assert solution.off_max < (1 if task == "clone" else 2)


def test_any_field_can_be_the_correction(pictures: Path) -> None:
    problem = PictureProblem.of(
        "clone",
        "target.png",
        "source.png",
        mask="mask.png",
        at=(10, 8),
        solve=EDGE,
        field={"type": "siren", "width": 32},
    )
    solution = problem.solve()
    assert solution.off is not None
    assert solution.off < 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["direct", "edge"])
def test_a_fit_holds_the_whole_result(pictures: Path, method: str) -> None:
    solve = {"method": method, "steps": 100, "vertices": 8, "time_s": 300}
    solution = PictureProblem.of("inpaint", "target.png", mask="hole.png", solve=solve).solve(wants_fit=True)
    assert solution.fit is not None
    solution.fit.save("fit.safetensors")
    rendered, meta = Fit.load("fit.safetensors").render()
    assert meta["dtype"] == "uint8"
    assert np.abs(rendered - solution.values.clip(0, 1)).max() < (0.01 if method == "direct" else 0.05)


def test_a_fit_of_the_result_ends_in_time(pictures: Path) -> None:
    field = {"type": "siren", "width": 16}
    problem = PictureProblem.of("inpaint", "target.png", mask="hole.png", solve={"time_s": 0.2}, field=field)
    fit = problem.solve(wants_fit=True).fit
    assert fit is not None
    assert fit.settings.time_s == 0.2
    assert 0 < fit.steps < 2000  # as many as `inr fit` would take


def test_differences_give_a_picture_back_by_a_field(pictures: Path) -> None:
    """Test A: at least 45 dB."""
    solution = PictureProblem.of("gradients", "target.png", solve=EDGE | {"steps": 600}).solve()
    error = np.sqrt(np.mean(np.square(solution.values - pixels("target.png"))))
    assert -20 * np.log10(error) > 45


def test_progress_is_reported_and_a_stop_ends_the_training(pictures: Path) -> None:
    seen: list[int] = []
    problem = PictureProblem.of("inpaint", "target.png", mask="hole.png", solve=EDGE)
    solution = problem.solve(on_progress=lambda step, loss: seen.append(step), should_stop=lambda: len(seen) >= 5)
    assert solution.steps == 5
