"""Structural similarity against another implementation and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from inr.kernels.structural_similarity import COLUMNS, ROWS, WINDOW, similarity_sums


def pictures(rows: int, columns: int, channels: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    a: np.ndarray = rng.random((rows, columns, channels)).astype(dtype)
    return a, (0.7 * a + 0.3 * rng.random(a.shape)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(11, 11, 1), (12, 40, 3), (ROWS + 15, COLUMNS + 13, 2), (75, 249, 4)])
def test_the_mean_is_that_of_another_implementation(shape: tuple[int, int, int], dtype: type) -> None:
    a, b = pictures(*shape, dtype)
    found = similarity_sums(a, b, 0.9) / ((shape[0] - WINDOW + 1) * (shape[1] - WINDOW + 1))
    for c in range(shape[2]):
        planes = a[..., c].astype(np.float64), b[..., c].astype(np.float64)
        expected = structural_similarity(
            *planes, data_range=0.9, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert found[c] == pytest.approx(expected, rel=1e-12)


def test_equal_pictures_and_constant_ones() -> None:
    a, _ = pictures(30, 150, 2, np.float32)
    np.testing.assert_allclose(similarity_sums(a, a, 1.0), 20 * 140, rtol=1e-12)
    x, y, c = np.full((11, 13, 1), 0.25), np.full((11, 13, 1), 0.75), 0.01**2
    expected = 3 * (2 * 0.25 * 0.75 + c) / (0.25**2 + 0.75**2 + c)
    np.testing.assert_allclose(similarity_sums(x, y, 1.0), expected, rtol=1e-9)


def test_the_same_sums_for_any_number_of_threads() -> None:
    a, b = pictures(3 * ROWS, 160, 3, np.float32)
    before, found = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        found.append(similarity_sums(a, b, 1.0))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
