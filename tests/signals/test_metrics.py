"""Quality measures against closed forms and their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import trimesh

from inr.signals import metrics

Floats = np.ndarray[Any, np.dtype[Any]]


def ssim_by_definition(a: Floats, b: Floats, peak: float) -> float:
    """Wang et al. 2004, equations 13 to 17, window by window."""
    at = np.arange(-5, 6)
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    scores = []
    for r in range(a.shape[0] - 10):
        for c in range(a.shape[1] - 10):
            p, q = a[r : r + 11, c : c + 11], b[r : r + 11, c : c + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
            cov = (window * p * q).sum() - mp * mq
            scores.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(scores))


def test_ssim_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((17, 20, 2)), rng.random((17, 20, 2))
    expected = np.mean([ssim_by_definition(a[..., c], b[..., c], 1.0) for c in range(2)])
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-10)
    assert metrics.ssim(a, a) == pytest.approx(1.0)
    low, high = np.full((16, 16, 1), 0.2), np.full((16, 16, 1), 0.6)
    assert metrics.ssim(low, high) == pytest.approx((2 * 0.12 + 1e-4) / (0.4 + 1e-4))
    assert math.isnan(metrics.ssim(a[:10], b[:10]))


def test_psnr_and_snr() -> None:
    r = np.full((4, 5), 0.5)
    assert metrics.psnr(r + 0.01, r) == pytest.approx(40)
    assert metrics.psnr(r + 2.55, r, peak=255) == pytest.approx(40)
    assert metrics.psnr(r, r) == math.inf
    assert metrics.snr(r * 1.1, r) == pytest.approx(20)
    assert metrics.snr(r, r) == math.inf
    assert metrics.snr(r, 0 * r) == -math.inf


def test_iou() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert metrics.iou(a, b) == pytest.approx(1 / 3)
    assert metrics.iou(a, a) == 1
    assert metrics.iou(a, ~a) == 0
    assert metrics.iou(a & ~a, a & ~a) == 1


def test_chamfer_f_score_and_normals() -> None:
    a = np.array([[0.0, 0, 0], [10, 0, 0]])
    b = a + np.array([0, 0.1, 0])
    assert metrics.chamfer_l1(a, b) == pytest.approx(0.1)
    assert metrics.chamfer_l1(a[:1], a) == pytest.approx(0.5 * (0 + 5))
    near, far = np.array([0.0, 0.2]), np.array([0.0, 0.05])
    assert metrics.f_score(near, far, 0.1) == pytest.approx(2 * 0.5 / 1.5)
    assert metrics.f_score(near + 1, far + 1, 0.1) == 0
    up = np.array([[0.0, 0, 1], [0, 0, 1]])
    assert metrics.normal_consistency(a, up, b, -up) == 1
    assert metrics.normal_consistency(a, up, b, -up, signed=True) == -1


def test_point_to_mesh() -> None:
    cube = trimesh.creation.box((2, 2, 2))
    points = np.array([[0.0, 0, 0], [3, 0, 0], [2, 2, 0], [1, 0.3, 0.2]])
    np.testing.assert_allclose(
        metrics.point_to_mesh(points, cube.vertices, cube.faces), [1, 2, math.sqrt(2), 0], atol=1e-12
    )


@pytest.mark.parametrize("rows", [1, 3, 11, 50])
def test_measures_of_parts_are_those_of_the_whole_exactly(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK", 97)
    monkeypatch.setattr(metrics, "PIXELS", 97)
    rng = np.random.default_rng(1)
    a, b = rng.random((50, 12, 2)).astype(np.float32), rng.random((50, 12, 2)).astype(np.float32)
    errors, similarity = metrics.SquaredError(), metrics.Similarity(a.shape, 1.0)
    for start in range(0, len(a), rows):
        errors.add(a[start : start + rows], b[start : start + rows])
        similarity.add(a[start : start + rows], b[start : start + rows])
    assert errors.mse == metrics.mse(a, b)
    assert errors.snr_db == metrics.snr(a, b)
    assert similarity.result() == metrics.ssim(a, b)
    assert errors.n == a.size
    assert metrics.mse(a, b) == pytest.approx(np.mean((a.astype(np.float64) - b) ** 2), rel=1e-12)
