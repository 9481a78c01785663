"""Shapes that move, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import inr
from inr.core.errors import UsageError
from inr.fields.flowed import Flowed
from inr.fitting import Fit
from inr.mesh.extract import extract_mesh
from inr.signals import Source
from inr.workflows.csg import combine
from inr.workflows.evolve import CurvatureFlow, flowed, morphed, overlap, times_of, vanished_at


def nothing(name: str) -> Fit:
    raise AssertionError(name)


def solid(text: str) -> Fit:
    return combine(text, nothing)


def again(fit: Fit) -> Fit:
    return Fit.load(Source("m.safetensors", data=fit.to_bytes()))


def test_a_ball_under_mean_curvature() -> None:
    """Radius 0.5, speed 0.02: r(1) = sqrt(0.25 - 0.08) within 1 %, the volume within 2 %."""
    fit = solid("sphere(0, 0, 0, 0.5)")
    moving = CurvatureFlow(fit, 0.02, 48)
    moving.advance(1.0)
    mesh = extract_mesh(moving, resolution=48).in_units(fit.frame)
    exact = math.sqrt(0.5**2 - 4 * 0.02)
    assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(exact, rel=0.01)
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * exact**3, rel=0.02)
    assert moving.vanished is None
    moving.advance(4.0)
    assert moving.vanished == pytest.approx(0.25 / 0.08, rel=0.02)
    assert extract_mesh(moving, resolution=48).outcome == "empty"


def test_an_ellipsoid_becomes_rounder() -> None:
    fit = solid("scale(sphere(0, 0, 0, 0.3), 2, 1, 1)")
    moving = CurvatureFlow(fit, 0.02, 40)
    ratios = []
    for time in (0.0, 0.25, 0.5, 0.75):
        moving.advance(time)
        extent = np.ptp(extract_mesh(moving, resolution=40).vertices, axis=0)
        ratios.append(extent[0] / extent[1])
    assert (np.diff(ratios) < -0.01).all()
    assert ratios[0] == pytest.approx(2, rel=0.02)


def test_a_rotation_is_the_rotated_shape_after_a_round_trip() -> None:
    fit = solid("box(0.2, 0, 0, 1, 0.4, 0.3)")
    vertices = inr.extract_mesh(fit, 16).vertices
    rate = f"{math.pi / 6!r}"
    (found,) = flowed(fit, (f"-y*{rate}", f"x*{rate}", "0"), [1.0], vertices)
    found = again(found)
    exact = combine("rotate(a, 0, 0, 30)", lambda name: fit)
    x = torch.rand(5000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = found.frame.domain.from_unit(x)
    own = exact.frame.domain.to_unit(p)
    inside = ((own > 0) & (own < 1)).all(dim=1)
    assert int(inside.sum()) > 1000
    # float32 coordinates of both boxes
    assert float((found(x.float()) - exact(own.float()))[inside].abs().max()) < 2e-6
    assert found.meta["outside"] == 0


def test_all_frames_of_a_flow_have_one_box_around_them() -> None:
    fit = solid("sphere(0, 0, 0, 0.5)")
    found = flowed(fit, ("2", "0", "0"), [0.0, 1.0], inr.extract_mesh(fit, 16).vertices)
    assert found[0].frame == found[1].frame
    meshes = [inr.extract_mesh(each, 32) for each in found]
    for mesh, x in zip(meshes, (0.0, 2.0), strict=True):
        np.testing.assert_allclose(mesh.vertices.mean(axis=0), [x, 0, 0], atol=0.02)
        assert mesh.volume == pytest.approx(4 / 3 * math.pi / 8, rel=0.05)


def test_flows_that_leave_all_bounds_are_refused() -> None:
    fit = solid("sphere(0, 0, 0, 0.5)")
    with pytest.raises(UsageError, match="to infinity"):
        flowed(fit, ("exp(99*x*x)", "0", "0"), [1.0], np.ones((1, 3)))


def test_a_fast_rotation_takes_as_many_steps_as_it_needs() -> None:
    """40 radians: 16 steps would shrink the box to nothing."""
    fit = solid("box(0.2, 0, 0, 1, 0.4, 0.3)")
    vertices = inr.extract_mesh(fit, 24).vertices
    (found,) = flowed(fit, ("-y", "x", "0"), [40.0], vertices)
    config = found.field.config
    assert isinstance(config, Flowed)
    assert config.steps > 16
    x = torch.rand(4096, 3, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    turn = torch.tensor([[math.cos(40), -math.sin(40), 0], [math.sin(40), math.cos(40), 0], [0, 0, 1]]).double()
    inside = found.frame.domain.to_unit(x)
    near = ((inside > 0) & (inside < 1)).all(dim=-1)
    own = fit(fit.frame.domain.to_unit(x[near] @ turn).float())
    assert float((found(inside[near].float()) - own).abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (("log(x-10)", "0", "0"), r"no finite value at \(.*\), a point of the surface"),
        (("1/(x-0.05)", "0", "0"), "pole or jump"),
    ],
)
def test_flows_that_cannot_be_followed_are_refused(flow: tuple[str, str, str], message: str) -> None:
    fit = solid("box(0, 0, 0, 1, 1, 1)")
    with pytest.raises(UsageError, match=message):
        flowed(fit, flow, [1.0], inr.extract_mesh(fit, 24).vertices)


def test_morphs_begin_and_end_with_their_shapes() -> None:
    first, second = solid("sphere(0, 0, 0, 0.5)"), solid("sphere(0, 0, 0, 0.3)")
    assert overlap(first, second) == pytest.approx(0.6**3, abs=0.02)
    for share, fit in zip((0.0, 0.5, 1.0), morphed(first, second, (0.0, 0.5, 1.0)), strict=True):
        vertices = inr.extract_mesh(again(fit), 32).vertices
        np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.5 - 0.2 * share, atol=1e-3)


def test_other_models_are_refused() -> None:
    picture = inr.fit("analytic:zone-plate", "siren", {"steps": 0})
    for wrong in (lambda: CurvatureFlow(picture, 1.0), lambda: morphed(picture, picture, [0.0])):
        with pytest.raises(UsageError, match="expected a fitted shape"):
            wrong()
    with pytest.raises(UsageError, match="the speed is -1, expected more than 0"):
        CurvatureFlow(solid("sphere(0, 0, 0, 1)"), -1.0)


def test_times() -> None:
    assert times_of(2.0, 1) == [2.0]
    assert times_of(2.0, 3) == [0.0, 1.0, 2.0]
    assert vanished_at([0, 1, 2], [False, True, False]) is None
    assert vanished_at([0, 1, 2], [False, True, True]) == 1
