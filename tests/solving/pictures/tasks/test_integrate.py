"""Test C: the normals of a smooth bump give its height back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.signals.files.picture_writing import encode
from inr.solving.pictures import PictureProblem

N = 128


def bump() -> tuple[np.ndarray, np.ndarray]:
    """Height in pixels, and normals with y upwards."""
    y, x = (np.mgrid[:N, :N] + 0.5) / N
    h = 0.3 * np.exp(-12 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    slopes = -24 * h * (x - 0.5), -24 * h * (y - 0.5)
    normal = np.stack([-slopes[0], slopes[1], np.ones_like(h)], -1)
    return h * N, normal / np.linalg.norm(normal, axis=-1, keepdims=True)


@pytest.mark.parametrize(("dtype", "limit"), [("uint16", 1e-3), ("uint8", 2e-2)])
@pytest.mark.parametrize("up", ["opengl", "directx"])
def test_heights_of_a_bump(tmp_path: Path, dtype: str, limit: float, up: str) -> None:
    height, normal = bump()
    if up == "directx":
        normal = normal * [1, -1, 1]
    top = np.iinfo(dtype).max
    file = tmp_path / "n.png"
    file.write_bytes(encode(((normal + 1) / 2 * top + 0.5).astype(dtype), ".png"))
    solution = PictureProblem.of("integrate", file, task={"up": up}).solve()
    wanted = height - height.mean()
    assert np.linalg.norm(solution.values[..., 0] - wanted) / np.linalg.norm(wanted) < limit
    assert not solution.notes


def test_a_picture_that_is_no_normal_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.png").write_bytes(encode(np.full((8, 8, 1), 100, np.uint8), ".png"))
    with pytest.raises(UsageError, match="1 channels, expected the 3 of a normal map"):
        PictureProblem.of("integrate", tmp_path / "g.png").solve()
    (tmp_path / "c.png").write_bytes(encode(np.full((8, 8, 3), 128, np.uint8), ".png"))
    with pytest.raises(UsageError, match="holds no unit vectors"):
        PictureProblem.of("integrate", tmp_path / "c.png").solve()


def test_slopes_of_no_surface_are_named(tmp_path: Path) -> None:
    y, x = np.mgrid[:32, :32] / 16 - 1
    normal = np.stack([y, x, np.ones_like(x)], -1)  # a rotation
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    (tmp_path / "r.png").write_bytes(encode(((normal + 1) / 2 * 255).astype(np.uint8), ".png"))
    (note,) = PictureProblem.of("integrate", tmp_path / "r.png").solve().notes
    assert "belong to no surface" in note
