"""Domains from masks: a disc of pixels is a disc, and masks that do not fit are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Generator

from inr.core.errors import InrError
from inr.solving import Problem, solve

AXES = {"x": (-1.25, 1.25), "y": (-1.25, 1.25)}
WALLS = [{"on": "boundary", "equation": "u = 0"}]


def disc(path: Path, n: int = 120, center: tuple[float, float] = (0.0, 0.0)) -> str:
    line = 1.25 * (2 * (np.arange(n) + 0.5) / n - 1)
    inside = np.hypot(line[None] - center[0], -line[:, None] - center[1]) < 1
    Pillow.fromarray(inside.astype(np.uint8) * 255).save(path)
    return str(path)


def test_a_disc_of_pixels_has_the_solution_of_a_disc(tmp_path: Path) -> None:
    """-lap(u) = 4 with u = 0 on the circle is 1 - r^2."""
    problem = Problem.of("-lap(u) = 4", AXES, WALLS, geometry={"mask": disc(tmp_path / "m.png")})
    x = problem.domain.on("outer", 500, Generator().manual_seed(0))
    pixel = 2.5 / 120
    assert float((x.x.norm(dim=1) - 1).abs().max()) < pixel
    assert float((x.normals * x.x).sum(1).min()) > 0.97
    solution = solve(problem, method="least_squares", features=120, scale=6.0, target=0.9)
    middle = float(solution.fit(torch.tensor([[0.5, 0.5]], dtype=torch.float64)))
    assert abs(middle - 1) < 2 * pixel


def test_a_mask_has_y_upwards(tmp_path: Path) -> None:
    problem = Problem.of("-lap(u) = 4", {"x": (-1.25, 1.25), "y": (-1.25, 1.25)}, WALLS,
                         geometry={"mask": disc(tmp_path / "m.png", center=(-0.1, 0.15))})  # fmt: skip
    x = problem.domain.inside(2000, Generator().manual_seed(0)).x
    assert float((x.mean(0) - x.new_tensor([-0.1, 0.15])).abs().max()) < 0.03


def test_masks_that_are_refused(tmp_path: Path) -> None:
    def refused(table: object, axes: dict[str, tuple[float, float]] = AXES) -> str:
        with pytest.raises(InrError) as error:
            Problem.of("lap(u) = -1", axes, WALLS, geometry=table)
        return error.value.message

    Pillow.fromarray(np.full((20, 20), 255, np.uint8)).save(tmp_path / "white.png")
    Pillow.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "black.png")
    assert "white within 3 pixels of its border" in refused({"mask": str(tmp_path / "white.png")})
    assert "selects no pixel" in refused({"mask": str(tmp_path / "black.png")})
    assert "no such file" in refused({"mask": str(tmp_path / "none.png")})
    assert "expected mask = a file" in refused({"mask": "a.png", "disc": {}})
    assert "a mask has two axes" in refused({"mask": disc(tmp_path / "m.png")}, {"x": (0, 1)})
