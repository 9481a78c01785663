"""Tone mapping: sRGB, identity, and a smaller range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.solving.pictures import PictureProblem
from inr.solving.pictures.tasks.tone import attenuation, from_srgb, to_srgb


def test_srgb_is_inverted_and_has_its_known_values() -> None:
    values = np.linspace(0, 1, 257)
    assert np.abs(to_srgb(from_srgb(values)) - values).max() < 1e-12
    assert from_srgb(np.array([0.5]))[0] == pytest.approx(0.2140411)


def test_beta_1_leaves_all_differences() -> None:
    log = np.random.default_rng(0).standard_normal((70, 90))
    assert (attenuation(log, 0.1, 1.0) == 1).all()


def test_large_differences_shrink_more_than_small_ones() -> None:
    log = np.cumsum(np.where(np.arange(100) < 50, 0.01, 1.0))[None].repeat(80, 0)
    factor = attenuation(log, 0.1, 0.8)
    assert factor[40, 80] < factor[40, 20]


def test_both_halves_of_a_scene_with_a_large_range_show_detail(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :96]
    detail = 1 + 0.3 * np.sin(x) * np.sin(y)
    light = np.where(x < 48, 1.0, 5000.0) * detail
    np.save(tmp_path / "hdr.npy", light[..., None].repeat(3, -1).astype(np.float32))
    solution = PictureProblem.of("tone", tmp_path / "hdr.npy").solve()
    assert solution.meta["dtype"] == "uint8"
    assert solution.values.min() >= 0
    assert solution.values.max() <= 1
    linear = np.clip(light / np.quantile(light, 0.995), 0, 1)
    before = to_srgb(linear)[:, 4:40].std()
    assert solution.values[:, 4:40].std() > 3 * before
    assert solution.values[:, 56:92].std() > 0.01


def test_a_black_picture_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "black.npy", np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UsageError, match="black everywhere"):
        PictureProblem.of("tone", tmp_path / "black.npy").solve()
