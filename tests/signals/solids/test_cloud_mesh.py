"""Meshes through oriented points, and the indicator that they are cut from, against balls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inr.core.errors import EmptyError
from inr.signals.solids.cloud_mesh import mesh_of_cloud
from inr.signals.solids.distances import MeshSolid
from inr.signals.solids.faces import volume
from inr.signals.solids.indicators import INDICATORS
from inr.signals.solids.winding_normals import winding_numbers

Floats = np.ndarray[Any, np.dtype[np.float64]]
MIDDLE = np.full(3, 0.5)


def ball(n: int, radius: float = 0.25) -> tuple[Floats, Floats]:
    normals = np.random.default_rng(0).normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return MIDDLE + radius * normals, normals


@pytest.mark.parametrize("name", list(INDICATORS))
def test_a_turn_of_the_points_turns_the_indicator(name: str) -> None:
    points, normals = ball(500)
    points = MIDDLE + (points - MIDDLE) * [1.3, 1, 0.8]
    areas = np.full(500, 1e-3)
    at = np.concatenate([MIDDLE[None], np.random.default_rng(1).random((50, 3))])
    swap = [1, 0, 2]
    here = INDICATORS[name](points, normals, areas, 64)(at)
    there = INDICATORS[name](points[:, swap], normals[:, swap], areas, 64)
    turned = there(at[:, swap])
    np.testing.assert_allclose(turned / turned[0], here / here[0], atol=1e-9)


def test_a_quarter_turn_of_the_points_turns_the_indicator() -> None:
    """About the middle of the lattice, which is its own image then."""
    points, normals = ball(500)
    points = MIDDLE + (points - MIDDLE) * [1.3, 1, 0.8]
    areas = np.full(500, 1e-3)
    at = np.concatenate([MIDDLE[None], np.random.default_rng(1).random((50, 3))])
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    here = INDICATORS["poisson"](points, normals, areas, 64)
    middle = (1 - here.cell) / 2

    def turned(x: Floats) -> Floats:
        found: Floats = middle + (x - middle) @ quarter.T
        return found

    there = INDICATORS["poisson"](turned(points), normals @ quarter.T, areas, 64)(turned(at))
    found = here(at)
    np.testing.assert_allclose(there / there[0], found / found[0], atol=1e-4)


def test_mesh_through_a_ball_is_closed_outward_and_close() -> None:
    boundary = mesh_of_cloud(*ball(3000))
    off = np.linalg.norm(boundary.vertices - MIDDLE, axis=1) - 0.25
    spacing = np.sqrt(4 * np.pi * 0.25**2 / 3000)
    assert np.abs(off).max() < 0.3 * spacing
    assert volume(boundary.vertices, boundary.faces) == pytest.approx(4 / 3 * np.pi * 0.25**3, rel=0.01)
    solid = MeshSolid(boundary)
    assert solid.is_closed
    assert solid.distance(MIDDLE[None])[0] == pytest.approx(-0.25, abs=0.005)


def test_a_cavity_is_kept_and_a_speck_is_not() -> None:
    outer, outward = ball(6000, 0.4)
    inner, inward = ball(1500, 0.2)
    speck, away = ball(12, 0.005)
    points = np.concatenate([outer, inner, speck * [1, 1, 1] + [0.47, 0.47, 0.47]])
    boundary = mesh_of_cloud(points, np.concatenate([outward, -inward, away]))
    shell = 4 / 3 * np.pi * (0.4**3 - 0.2**3)
    assert volume(boundary.vertices, boundary.faces) == pytest.approx(shell, rel=0.02)
    assert boundary.vertices.max() < 0.93
    assert boundary.n_left_out == 12


def test_points_without_any_normal_give_no_surface() -> None:
    points, normals = ball(400)
    with pytest.raises(EmptyError, match="no surface"):
        mesh_of_cloud(points, 0 * normals)


def test_a_coarse_ball_is_neither_larger_nor_smaller_than_its_points_say() -> None:
    """Weights as wide as 1.5 spacings would put it 0.4 % too far out if only the normals of the points counted."""
    n = 600
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    normals = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    vertices = mesh_of_cloud(MIDDLE + 0.25 * normals, normals).vertices
    assert np.linalg.norm(vertices - MIDDLE, axis=1).mean() == pytest.approx(0.25, rel=5e-4)


@pytest.mark.parametrize("name", list(INDICATORS))
def test_indicators_agree_with_a_ball(name: str) -> None:
    points, normals = ball(4000)
    areas = np.full(4000, 4 * np.pi * 0.25**2 / 4000)
    indicator = INDICATORS[name](points, normals, areas, 64)
    away = np.random.default_rng(1).normal(size=(500, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert indicator(MIDDLE + 0.15 * away).max() < -0.8
    assert indicator(MIDDLE + 0.35 * away).min() > 0.8
    vertices, _ = indicator.surface()
    assert np.abs(np.linalg.norm(vertices - MIDDLE, axis=1) - 0.25).mean() < 0.5 * indicator.cell


def test_gauss_is_the_winding_number_of_all_points() -> None:
    points, normals = ball(600)
    areas = np.full(600, 4 * np.pi * 0.25**2 / 600)
    indicator = INDICATORS["gauss"](points, normals, areas, 64)
    at = np.random.default_rng(1).random((200, 3))
    at = at[np.abs(np.linalg.norm(at - MIDDLE, axis=1) - 0.25) > 0.08]  # no point counts less there
    exact = winding_numbers(at, points, areas[:, None] * normals / (4 * np.pi), 0.0)
    level = float(np.median(1 - indicator(points)))
    found = 1 - indicator(at)
    scale = found[exact > 0.5].mean() / exact[exact > 0.5].mean()
    assert level == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found / scale, exact, atol=0.02)
