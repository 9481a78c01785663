"""Winding numbers of point sets against closed forms, and normals from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inr.signals.solids.winding_normals import consistent_normals, winding_numbers, winding_slopes

Floats = np.ndarray[Any, np.dtype[np.float64]]


def ball(n: int, radius: float = 0.4) -> tuple[Floats, Floats]:
    """Nearly even points of a sphere around the middle of the unit box, and their normals (Fibonacci's spiral)."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    normals = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    return 0.5 + radius * normals, normals


def test_winding_number_of_a_sphere_is_one_inside_and_zero_outside() -> None:
    points, normals = ball(2000)
    vectors = normals * 0.4**2 / 2000  # area / (4 pi)
    at = np.array([[0.5, 0.5, 0.5], [0.6, 0.5, 0.3], [0.5, 0.5, 0.99], [2.0, 0.0, 1.0]])
    np.testing.assert_allclose(winding_numbers(at, points, vectors, 0.001), [1, 1, 0, 0], atol=0.01)


def test_slopes_are_minus_the_gradient() -> None:
    points, normals = ball(300)
    at = np.array([[0.5, 0.45, 0.7], [0.2, 0.1, 0.0], [1.1, 0.5, 0.6]])
    slopes = winding_slopes(at, points, normals, 0.0)
    step = 1e-2 * np.eye(3)
    for axis in range(3):
        ahead, behind = (winding_numbers(at + way * step[axis], points, normals, 0.0) for way in (1, -1))
        np.testing.assert_allclose(slopes[:, axis], (behind - ahead) / 2e-2, rtol=0.02, atol=0.5)


def test_pairs_closer_than_the_width_do_not_count() -> None:
    points, vectors = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    at = np.array([[0.1, 0.0, 0.0]])
    assert winding_numbers(at, points, vectors, 0.2)[0] == pytest.approx(1 / 0.4**2)
    assert winding_numbers(at, points, vectors, 0.01)[0] == pytest.approx(1 / 0.4**2 - 1 / 0.1**2)


def test_normals_of_two_balls_point_out_of_both() -> None:
    points, normals = ball(600, 0.2)
    shift = np.array([0.25, 0, 0])
    points, normals = np.concatenate([points - shift, points + shift]), np.tile(normals, (2, 1))
    found = consistent_normals(points, 0.03, 0.2)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert np.einsum("nd,nd->n", found, normals).min() > 0.9


def test_threads_do_not_change_a_bit() -> None:
    points, _ = ball(700)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = consistent_normals(points, 0.05, 0.3, 3)
        torch.set_num_threads(2)
        two = consistent_normals(points, 0.05, 0.3, 3)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(one, two)
