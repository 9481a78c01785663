"""Trained fields of space and time, against closed forms of the equations and of their solutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

import inr
from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.workflows.trained_motion import (
    Trained,
    flow_residual,
    left_over,
    smoothing_residual,
    trained_flow,
    trained_smoothing,
)
from tests.workflows.test_evolve import again, solid

BOX = Frame(Domain((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), ("x", "y", "z"), "mesh units"), (0.0,), (2.0,))
SMALL: dict[str, Any] = {"type": "siren", "width": 8, "depth": 1}
BALL: dict[str, Any] = {"type": "siren", "width": 48, "depth": 2, "activation": {"type": "sine", "omega": 8.0}}
"""Enough for a ball, at a quarter of the default's time per step."""


def points(n: int = 2000) -> Tensor:
    return torch.rand(n, 4, generator=Generator().manual_seed(0), dtype=torch.float64)


def surface(fit: Fit) -> np.ndarray:
    vertices: np.ndarray = inr.extract_mesh(fit, 24).vertices
    return vertices


def test_a_shrinking_ball_solves_the_equation_of_curvature() -> None:
    """All level sets of sqrt(r^2 + 4 a t + c) shrink as balls do; another speed leaves its share."""
    rate = 0.02

    def ball(x: Tensor) -> Tensor:
        return ((x[:, :3] - 0.5).square().sum(dim=1) + 4 * rate * x[:, 3] + 0.01).sqrt()[:, None]

    x = points()
    x = x[(x[:, :3] - 0.5).norm(dim=1) > 0.1]  # a normal needs a slope
    left, change = left_over(ball, smoothing_residual(rate), x, True)
    assert float(left.detach().abs().max()) < 1e-3 * float(change.detach().abs().min())
    half, _ = left_over(ball, smoothing_residual(rate / 2), x, True)
    assert float((half / change).detach().mean()) == pytest.approx(0.5, abs=1e-3)


def test_a_carried_wave_solves_the_equation_of_its_flow() -> None:
    """sin(3 x) of the place from where a point comes, for a rotation that speeds up."""
    until = 0.7

    def wave(x: Tensor) -> Tensor:
        p = 2 * x[:, :3] - 1
        angle = (until * x[:, 3]) ** 2 / 2
        return torch.sin(3 * (angle.cos() * p[:, 0] + angle.sin() * p[:, 1]))[:, None]

    residual = flow_residual(("-y*t", "x*t", "0"), BOX, until)
    left, change = left_over(wave, residual, points(), False)
    assert float(change.detach().abs().max()) > 0.1
    assert float(left.detach().abs().max()) < 1e-6


def test_files_hold_the_field_and_the_time() -> None:
    fit = solid("sphere(0, 0, 0, 0.5)")
    found = trained_smoothing(fit, 0.02, 2.0, surface(fit), steps=3, field=SMALL)
    twice = trained_smoothing(fit, 0.02, 2.0, surface(fit), steps=3, field=SMALL)
    x = torch.rand(100, 3, generator=Generator().manual_seed(0))
    for time, one, other in zip((0.0, 1.0, 2.0), found.at((0, 1, 2)), twice.at((0, 1, 2)), strict=True):
        assert torch.equal(again(one)(x), one(x))
        assert one.to_bytes() == other.to_bytes()
        base: Any = found.field
        with torch.no_grad():
            at = torch.cat([x, torch.full((100, 1), time / 2)], dim=1)
            assert torch.allclose(one.field(x), base(at))
    assert one.provenance["evolved"]["time"] == 2
    assert one.meta["outside"] == 0


def test_what_cannot_be_trained_is_refused() -> None:
    fit = solid("sphere(0, 0, 0, 0.5)")
    with pytest.raises(UsageError, match="field 'hash_grid' has no derivatives of order 2"):
        trained_smoothing(fit, 0.02, 1.0, surface(fit), field={"type": "hash_grid"})
    with pytest.raises(UsageError, match="the speed is 0, expected more than 0"):
        trained_smoothing(fit, 0.0, 1.0, surface(fit))
    with pytest.raises(UsageError, match="`steps` is 0"):
        trained_smoothing(fit, 0.02, 1.0, surface(fit), steps=0)


@pytest.fixture(scope="module")
def shrinking() -> Trained:
    fit = solid("sphere(0, 0, 0, 0.5)")
    return trained_smoothing(fit, 0.02, 1.0, surface(fit), steps=500, field=BALL)


@pytest.mark.slow
@pytest.mark.parametrize("time", [0.0, 0.5, 1.0])
def test_a_ball_under_mean_curvature(time: float, shrinking: Trained) -> None:
    """Radius 0.5, speed 0.02: sqrt(0.25 - 0.08 t) within 1 %, the volume within 3 %."""
    (fit,) = shrinking.at([time])
    mesh = inr.extract_mesh(fit, 48)
    exact = math.sqrt(0.25 - 0.08 * time)
    assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(exact, rel=0.01)
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * exact**3, rel=0.03)
    assert mesh.n_components == 1


@pytest.mark.slow
def test_a_ball_that_is_carried() -> None:
    """It moves by the velocity times the time, and keeps its volume."""
    fit = solid("sphere(0, 0, 0, 0.5)")
    velocity = ("0.4", "0", "0")
    found = trained_flow(fit, velocity, [0.0, 1.0], surface(fit), steps=500, field=BALL)
    for time, moved in zip((0.0, 0.5, 1.0), found.at((0.0, 0.5, 1.0)), strict=True):
        mesh = inr.extract_mesh(moved, 48)
        assert mesh.vertices.mean(axis=0) == pytest.approx([0.4 * time, 0, 0], abs=0.01)
        assert mesh.volume == pytest.approx(4 / 3 * math.pi / 8, rel=0.05)
