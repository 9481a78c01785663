"""Pictures from files of differences and Laplacians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import InrError
from inr.solving.pictures import PictureProblem
from inr.solving.pictures.tasks.gradients import flux, laplacian


def values() -> np.ndarray:
    found: np.ndarray = np.random.default_rng(4).random((14, 19))
    found -= found.mean()
    return found


def test_an_array_of_differences(tmp_path: Path) -> None:
    both = np.zeros((14, 19, 2))
    both[:, :-1, 0], both[:-1, :, 1] = np.diff(values(), axis=1), np.diff(values(), axis=0)
    np.save(tmp_path / "g.npy", both)
    solution = PictureProblem.of("gradients", tmp_path / "g.npy").solve()
    assert np.abs(solution.values[..., 0] - values()).max() < 1e-12
    assert not solution.notes


def test_an_array_of_laplacians(tmp_path: Path) -> None:
    np.save(tmp_path / "l.npy", laplacian(values()[..., None])[..., 0])
    solution = PictureProblem.of("laplacian", tmp_path / "l.npy").solve()
    assert np.abs(solution.values[..., 0] - values()).max() < 1e-11


@pytest.mark.parametrize("shape", [(1, 7, 1), (6, 1, 2), (14, 19, 1), (16, 16, 3)])
def test_a_flux_has_the_wanted_sums(shape: tuple[int, int, int]) -> None:
    wanted = np.random.default_rng(0).standard_normal(shape)
    wanted -= wanted.mean((0, 1))
    right, down = flux(wanted)
    sums = np.zeros(shape)
    sums[:, :-1] += right
    sums[:, 1:] -= right
    sums[:-1] += down
    sums[1:] -= down
    assert np.abs(sums - wanted).max() < 1e-12


def test_a_field_has_the_laplacian(pictures: Path) -> None:
    settings = {"method": "edge", "vertices": 8, "time_s": 300}
    solution = PictureProblem.of("laplacian", "target.png", solve=settings).solve()
    assert solution.off is not None
    assert solution.off < 0.1


@pytest.mark.parametrize("task", ["gradients", "laplacian"])
def test_a_picture_comes_back(pictures: Path, task: str) -> None:
    from PIL import Image as Pillow

    solution = PictureProblem.of(task, "target.png").solve()
    assert np.abs(solution.values * 255 - np.asarray(Pillow.open("target.png"))).max() < 1e-8


@pytest.mark.parametrize(
    ("task", "array", "message"),
    [
        ("gradients", np.zeros((4, 4)), r"shape \(4, 4\), expected \[H, W, 2\]"),
        ("laplacian", np.ones((4, 4)), "sources and sinks must balance"),
        ("laplacian", np.zeros((4, 4, 9)), r"expected \[H, W\] or \[H, W, C\]"),
        ("gradients", np.full((4, 4, 2), np.nan), "NaN or infinite"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, task: str, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InrError, match=message):
        PictureProblem.of(task, tmp_path / "a.npy").solve()
