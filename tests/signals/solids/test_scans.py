"""Points without normals: what is measured of them, and which way they face."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inr.signals.solids.scans import Scan, estimated, is_planar

Floats = np.ndarray[Any, np.dtype[np.float64]]


def torus(n: int, noise: float = 0.0, *, is_ramp: bool = False, radius: float = 0.4) -> tuple[Floats, Floats]:
    """Points uniform by area, or ten times denser at one end, and their outward normals."""
    rng = np.random.default_rng(0)
    a, b, draw = rng.random((3, 20 * n)) * [[2 * np.pi], [2 * np.pi], [1]]
    share = (1 + radius * np.cos(b)) / (1 + radius)
    if is_ramp:
        share = share * (0.1 + 0.9 * (np.cos(a) + 1) / 2)
    kept = np.flatnonzero(draw < share)[:n]
    a, b = a[kept], b[kept]
    normals = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)], axis=1)
    points = radius * normals + np.stack([np.cos(a), np.sin(a), 0 * a], axis=1)
    return points + noise * rng.normal(size=points.shape), normals


def right_share(scan: Scan) -> float:
    """Share of the normals that point out of the torus, by the closed form at the points where they are now."""
    ring = scan.points * [1, 1, 0]
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    return float(np.mean(np.einsum("nd,nd->n", scan.normals, scan.points - ring) > 0))


def test_clean_points() -> None:
    points, _ = torus(6000)
    scan = estimated(points)
    assert right_share(scan) >= 0.995
    assert scan.share > 0.95
    assert scan.n_outliers == 0
    assert scan.spacing == pytest.approx(np.sqrt(4 * np.pi**2 * 0.4 / 6000), rel=0.1)
    assert scan.noise < 0.05 * scan.spacing


def test_normals_of_clean_points_are_those_of_a_curved_surface() -> None:
    rng = np.random.default_rng(0)
    axes = np.array([1.0, 0.8, 0.5])
    on_ball = rng.normal(size=(3000, 3))
    points = axes * on_ball / np.linalg.norm(on_ball, axis=1, keepdims=True)
    scan = estimated(points)
    np.testing.assert_allclose(scan.points, np.unique(points, axis=0), atol=1e-12)  # clean points stay
    exact = scan.points / axes**2
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    off = np.degrees(np.arccos(np.clip(np.einsum("nd,nd->n", exact, scan.normals), -1, 1)))
    assert off.mean() < 0.3  # planes through the neighbours are 1.3 degrees off
    assert off.max() < 3


def test_noisy_points_are_smoothed_and_their_noise_is_measured() -> None:
    sigma = 0.005 * float(np.linalg.norm([2.8, 2.8, 0.8]))
    points, _ = torus(6000, sigma)
    scan = estimated(points)
    assert right_share(scan) >= 0.97
    assert scan.noise == pytest.approx(sigma, rel=0.15)
    off = np.hypot(np.hypot(*scan.points[:, :2].T) - 1, scan.points[:, 2]) - 0.4
    assert np.abs(off).mean() < 0.5 * sigma * np.sqrt(2 / np.pi)


def test_uneven_density() -> None:
    points, _ = torus(6000, is_ramp=True)
    scan = estimated(points)
    assert right_share(scan) >= 0.99
    assert scan.n_outliers <= 6


def test_the_order_of_points_and_the_threads_do_not_matter() -> None:
    points, _ = torus(2000)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = estimated(points)
        torch.set_num_threads(2)
        two = estimated(points[np.random.default_rng(3).permutation(2000)])
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(one.points, two.points)
    assert np.array_equal(one.normals, two.normals)
    assert one.share == two.share


def test_outliers_are_left_out_and_counted() -> None:
    points, _ = torus(8000)
    stray = 1.2 * (np.random.default_rng(5).random((160, 3)) - 0.5) * [2.8, 2.8, 2.8]
    away = np.abs(np.hypot(np.hypot(*stray[:, :2].T) - 1, stray[:, 2]) - 0.4)
    both = np.concatenate([points, stray])
    scan = estimated(both)
    assert np.sum(away > 3 * scan.spacing) <= scan.n_outliers <= np.sum(away > scan.spacing)
    assert scan.n_outliers >= 0.9 * 160
    assert right_share(scan) >= 0.99
    assert estimated(both, outliers="keep").n_outliers == 0


def test_more_than_a_tenth_of_outliers_is_left_out_on_request_only() -> None:
    points, _ = torus(1000)
    stray = 3 * np.random.default_rng(5).normal(size=(150, 3))
    both = np.concatenate([points, stray])
    assert estimated(both).n_outliers == 0
    assert estimated(both, outliers="remove").n_outliers > 115


def test_normals_turn_towards_a_viewpoint() -> None:
    x, y = np.random.default_rng(0).random((2, 1000))
    scan = estimated(np.stack([x, y, 0.1 * np.sin(3 * x)], axis=1), viewpoint=np.array([0.5, 0.5, 4.0]))
    assert (scan.normals[:, 2] > 0).all()
    assert scan.share < 0.6


def test_a_given_noise_is_used() -> None:
    points, _ = torus(1500)
    assert estimated(points, noise=0.1).noise == pytest.approx(0.1)


def test_the_inner_of_two_nested_balls_becomes_a_cavity() -> None:
    normals = np.random.default_rng(2).normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    radius = np.where(np.arange(6000) < 4800, 1.0, 0.5)[:, None]
    scan = estimated(radius * normals)
    out = np.einsum("nd,nd->n", scan.normals, scan.points)
    is_inner = np.linalg.norm(scan.points, axis=1) < 0.75
    assert np.mean(out[~is_inner] > 0) > 0.995
    assert np.mean(out[is_inner] < 0) > 0.99


def test_planes_are_recognised() -> None:
    flat = np.random.default_rng(0).random((200, 3)) @ np.array([[1, 0, 1], [0, 1, 2], [1, 1, 3]])
    assert is_planar(flat)
    assert not is_planar(flat + np.random.default_rng(1).normal(size=(200, 3)) * 0.01)
