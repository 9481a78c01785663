"""Points on quadrics stay; noisy ones come closer to the surface, and not to the other side of a thin wall."""

from __future__ import annotations

import numpy as np
import pytest

from inr.signals.solids.local_quadrics import on_quadrics


def test_points_of_a_paraboloid_stay_and_get_its_normals() -> None:
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 2000))
    points = np.stack([u, v, 0.2 * u**2 - 0.1 * u * v], axis=1)
    normals = np.stack([0.1 * v - 0.4 * u, 0.1 * u, np.ones_like(u)], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tilted = normals + np.array([0.1, 0.0, 0.0])
    tilted /= np.linalg.norm(tilted, axis=1, keepdims=True)
    moved, found, _ = on_quadrics(points, tilted, 24)
    inner = np.abs(points[:, :2]).max(axis=1) < 0.8
    assert np.linalg.norm(moved - points, axis=1)[inner].max() < 2e-4
    assert np.einsum("nd,nd->n", found, normals)[inner].min() > 0.9999


def test_noise_of_a_thin_plate_is_reduced_on_both_sides() -> None:
    rng = np.random.default_rng(1)
    side = np.repeat([1.0, -1.0], 2000)
    points = np.stack([*rng.uniform(0, 1, (2, 4000)), 0.02 * side + 0.004 * rng.normal(size=4000)], axis=1)
    moved, _, _ = on_quadrics(points, np.stack([0 * side, 0 * side, side], axis=1), 40)
    off = moved[:, 2] - 0.02 * side
    assert np.abs(off).mean() < 0.5 * np.abs(points[:, 2] - 0.02 * side).mean()
    assert (moved[:, 2] * side > 0).all()


def test_the_standard_deviation_is_that_of_the_noise_and_normals_of_any_sign_do() -> None:
    rng = np.random.default_rng(2)
    points = np.stack([*rng.uniform(0, 1, (2, 4000)), 0.01 * rng.normal(size=4000)], axis=1)
    sign = rng.choice([-1.0, 1.0], 4000)
    normals = np.stack([0 * sign, 0 * sign, sign], axis=1)
    moved, found, rest = on_quadrics(points, normals, 60, is_oriented=False)
    assert np.median(rest) == pytest.approx(0.01, rel=0.1)
    assert np.abs(moved[:, 2]).mean() < 0.4 * np.abs(points[:, 2]).mean()
    assert (found[:, 2] * sign > 0.7).all()


def test_places_need_not_be_the_points() -> None:
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 2000))
    points = np.stack([u, v, 0.2 * u**2], axis=1)
    normals = np.stack([-0.4 * u, 0 * u, np.ones_like(u)], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    moved, _, _ = on_quadrics(points, normals, 24, at=points + 0.02 * normals)
    inner = np.abs(points[:, :2]).max(axis=1) < 0.8
    assert np.linalg.norm(moved - points, axis=1)[inner].max() < 1e-3
