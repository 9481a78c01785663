"""Closed point clouds: distances from the points alone, against closed forms, and which clouds have them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.fitting import resolve
from inr.signals import Source, default_field_of, load_signal
from inr.signals.points import ClosedCloud, Points
from inr.signals.solids.indicators import INDICATORS

Floats = np.ndarray[Any, np.dtype[np.float64]]
Cloud = tuple[Floats, Floats]
CENTRE = np.array([0.3, -0.2, 0.1])


def source(points: Floats, normals: Floats) -> Source:
    out = io.BytesIO()
    np.save(out, np.concatenate([points, normals], axis=1))
    return Source("cloud.npy", data=out.getvalue())


def opened(points: Floats, normals: Floats, **options: str) -> Any:
    return load_signal(source(points, normals), "points", options)


def closed(points: Floats, normals: Floats) -> ClosedCloud:
    signal = opened(points, normals)
    assert isinstance(signal, ClosedCloud)
    return signal


def ball(n: int, seed: int = 0) -> Cloud:
    normals = np.random.default_rng(seed).normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return CENTRE + normals, normals


def box(n: int) -> Cloud:
    """Of sides 2, 1.4 and 1, uniform by area."""
    rng = np.random.default_rng(0)
    half = np.array([1.0, 0.7, 0.5])
    axis = rng.choice(3, n, p=half.prod() / half / (half.prod() / half).sum())
    points, normals, sign = (2 * rng.random((n, 3)) - 1) * half, np.zeros((n, 3)), rng.choice([-1.0, 1.0], n)
    points[np.arange(n), axis], normals[np.arange(n), axis] = sign * half[axis], sign
    return CENTRE + points, normals


def to_ball(p: Floats) -> Floats:
    distance: Floats = np.linalg.norm(p - CENTRE, axis=1) - 1
    return distance


def to_box(p: Floats) -> Floats:
    q = np.abs(p - CENTRE) - (1.0, 0.7, 0.5)
    distance: Floats = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)
    return distance


def tilted() -> Cloud:
    """Normals off by about 20 degrees."""
    points, normals = ball(2000)
    normals = normals + 0.25 * np.random.default_rng(1).normal(size=normals.shape)
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def scattered() -> Cloud:
    """Points off the surface by about 1 % of the diameter, normals by 10 degrees."""
    rng = np.random.default_rng(1)
    points, normals = ball(3000)
    normals = normals + 0.12 * rng.normal(size=normals.shape)
    return points + 0.02 * rng.normal(size=points.shape), normals / np.linalg.norm(normals, axis=1, keepdims=True)


def repeated() -> Cloud:
    points, normals = ball(1500)
    return np.tile(points, (3, 1)), np.tile(normals, (3, 1))


def uneven() -> Cloud:
    """Most of the points on one cap."""
    points, normals = ball(8000)
    is_cap = normals[:, 2] > 0.8
    kept = is_cap | (np.arange(8000) % 16 == 0)
    return points[kept], normals[kept]


def littered() -> Cloud:
    """Some points are random points in space."""
    rng = np.random.default_rng(1)
    points, normals = ball(2000)
    outliers, _ = ball(25, 2)
    others = rng.normal(size=(25, 3))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    factor = rng.choice([0.3, 0.5, 1.6, 2.5], (25, 1))
    return np.concatenate([points, CENTRE + factor * (outliers - CENTRE)]), np.concatenate([normals, others])


def far() -> Cloud:
    points, normals = ball(1500)
    return points + FAR, normals


FAR = np.array([5e5, -5e6, 200.0])
CLOUDS: dict[str, tuple[Callable[[], Cloud], Callable[[Floats], Floats], float, float]] = {
    # how it is made, its distance, tolerance of the mean distance, and of the volume
    "20 points of a ball": (lambda: ball(20), to_ball, 0.02, 0.06),
    "ball": (lambda: ball(1500), to_ball, 0.004, 0.003),
    "box": (lambda: box(4000), to_box, 0.006, 0.015),
    "normals with noise": (tilted, to_ball, 0.005, 0.01),
    "points with noise": (scattered, to_ball, 0.008, 0.01),
    "every point three times": (repeated, to_ball, 0.004, 0.003),
    "uneven density": (uneven, to_ball, 0.006, 0.005),
    "points aside": (littered, to_ball, 0.01, 0.01),
    "far coordinates": (far, lambda p: to_ball(p - FAR), 0.004, 0.003),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_distances_signs_and_volume_are_those_of_the_solid(name: str) -> None:
    make, exact, within, volume_within = CLOUDS[name]
    signal = closed(*make())
    x = torch.rand(20000, 3, generator=Generator().manual_seed(0), dtype=torch.float64)
    true = exact(signal.frame.domain.from_unit(x).numpy())
    found = signal.distance(x)[:, 0].numpy()
    assert np.abs(found - true).mean() < within
    assert np.mean(found < 0) == pytest.approx(np.mean(true < 0), rel=volume_within)
    is_wrong = (found < 0) != (true < 0)
    assert np.abs(true[is_wrong]).max(initial=0) < 10 * within
    surface = signal.solid.surface(2000, Generator().manual_seed(1))
    away = exact(signal.frame.domain.from_unit(torch.from_numpy(surface)).numpy())
    assert np.abs(away).mean() < within


def test_a_sharp_edge_stays_sharp() -> None:
    signal = closed(*box(20000))
    edge = CENTRE + np.stack([np.ones(99), 0.7 * np.ones(99), np.linspace(-0.45, 0.45, 99)], axis=1)
    aside = np.array([0.03, 0.03, 0])
    x = signal.frame.domain.to_unit(torch.from_numpy(np.concatenate([edge - aside, edge + aside])))
    distance = signal.distance(x)[:, 0].numpy()
    np.testing.assert_allclose(distance[:99], -0.03, atol=0.01)
    np.testing.assert_allclose(distance[99:], np.hypot(0.03, 0.03), atol=0.02)


def test_a_hole_is_closed_without_a_jump() -> None:
    points, normals = ball(4000)
    kept = normals[:, 2] < 0.85
    signal = closed(points[kept], normals[kept])
    axis = CENTRE + np.linspace(-0.9, 1.05, 400)[:, None] * [0, 0, 1]
    values = signal.distance(signal.frame.domain.to_unit(torch.from_numpy(axis)))[:, 0].numpy()
    assert (values[:20] < 0).all()
    assert values[-1] > 0
    assert np.count_nonzero(np.diff(values < 0)) == 1
    assert np.abs(np.diff(values)).max() < 0.03


def test_inward_normals_are_turned_over_and_a_hollow_ball_is_hollow() -> None:
    points, normals = ball(1500)
    signal = closed(points, -normals)
    assert "turned over" in signal.notes[0]
    inner, outward = ball(800, 5)
    hollow = closed(np.concatenate([points, CENTRE + 0.4 * (inner - CENTRE)]), np.concatenate([normals, -outward]))
    at = torch.from_numpy(CENTRE + np.array([[0, 0, 0], [0.7, 0, 0], [0, 0, 1.05]]))
    one, other = (s.distance(s.frame.domain.to_unit(at))[:, 0].numpy() for s in (signal, hollow))
    np.testing.assert_allclose(one, [-1, -0.3, 0.05], atol=0.02)
    np.testing.assert_allclose(other, [0.4, -0.3, 0.05], atol=0.02)


def test_open_clouds_and_those_with_inward_normals_that_are_kept_have_no_distances() -> None:
    rng = np.random.default_rng(0)
    plane = np.concatenate([rng.random((500, 2)), np.zeros((500, 1))], axis=1), np.tile([0.0, 0, 1], (500, 1))
    points, normals = ball(500)
    half = normals[:, 2] < 0
    line = np.linspace(0, 1, 50)[:, None] * [1, 2, 3], np.tile([0.0, 0, 1], (50, 1))
    sheets: list[tuple[Floats, Floats, dict[str, str]]] = [
        (*plane, {}), (points[half], normals[half], {}), (*line, {}), (points[:2], normals[:2], {}),
        (points, -normals, {"orient": "keep"}), (points, normals, {"method": "eikonal"}),
    ]  # fmt: skip
    for xyz, up, options in sheets:
        signal = opened(xyz, up, **options)
        assert isinstance(signal, Points)
        assert default_field_of(source(xyz, up), "points", options) == signal.default_field == "siren"
        assert resolve(signal)[1].loss.type_name == "eikonal"  # type: ignore[union-attr]
    with pytest.raises(UnreadableError, match="does not surround a volume"):
        ClosedCloud.load(source(*plane), {})
    with pytest.raises(UnreadableError, match="has one point"):
        opened(points[:1], normals[:1])


def test_a_closed_cloud_is_trained_as_a_mesh_is() -> None:
    given = source(*ball(300))
    signal = load_signal(given, "points", {"points": "4096"})
    assert default_field_of(given, "points") == signal.default_field == "hash_grid"
    assert (signal.kind, signal.spec.kind) == ("points", "shape")
    for field in ("hash_grid", "siren"):
        assert resolve(signal, field)[1].loss.type_name == "mape"  # type: ignore[union-attr]
    one, other = (signal.pool(Generator().manual_seed(3)).batch(torch.arange(4096)) for _ in range(2))
    assert torch.equal(one.x, other.x)
    assert torch.equal(one.y, other.y)
    assert one.normals is None
    true = to_ball(signal.frame.domain.from_unit(one.x.double()).numpy()) / signal.meta["side"]
    assert np.abs(one.y[:, 0].numpy() - true).mean() < 0.003
    assert signal.meta["thickness"] == pytest.approx(2, rel=0.02)
    with pytest.raises(UsageError, match="option points does not apply"):
        load_signal(given, "points", {"points": "4096", "method": "eikonal"})
    with pytest.raises(UsageError, match="expected one of auto, gauss, poisson, eikonal, heat"):
        load_signal(given, "points", {"method": "eiknal"})


def test_metrics_of_the_solid_and_of_one_that_is_too_small() -> None:
    signal = closed(*ball(1500))

    def grown(by: float) -> Callable[[Tensor], Tensor]:
        return lambda x: torch.from_numpy(to_ball(signal.frame.domain.from_unit(x.double()).numpy()) - by)[:, None]

    right, wrong = signal.metrics(grown(0)), signal.metrics(grown(-0.1))
    assert right["iou"] > 0.995
    assert right["sign_error"] < 0.001
    assert right["surface_mae"] < 1e-6
    assert wrong["iou"] == pytest.approx(0.9**3, abs=0.01)
    assert wrong["surface_mae"] == pytest.approx(0.1, abs=1e-5)
    assert wrong["sdf_mae"] == pytest.approx(0.1, abs=0.01)


def test_degenerate_clouds_load_or_are_refused() -> None:
    rng = np.random.default_rng(0)
    points, normals = ball(400)
    for xyz, up in (
        (rng.random((200, 3)), normals[:200]),
        (points * [1, 1, 1e-9], normals),
        (points * [1, 1e-4, 1e-4], normals),
        (np.concatenate([points, [[1e6, 0, 0]]]), np.concatenate([normals, [[1.0, 0, 0]]])),
        (np.concatenate([points, points]), np.concatenate([normals, -normals])),
        (np.rint(2 * points), normals),
        (points * 1e-12, normals),
    ):
        signal = opened(xyz, up)
        index = torch.arange(64)
        if isinstance(signal, ClosedCloud):
            signal.n_points = 64
        batch = signal.pool(Generator().manual_seed(0)).batch(index)
        assert bool(torch.isfinite(batch.x).all() and torch.isfinite(batch.y).all())


def test_the_indicator_is_on_its_levels_away_from_the_surface() -> None:
    height, turn = np.linspace(-1, 1, 4001)[1::2], np.pi * (1 + 5**0.5) * np.arange(2000)
    around = np.sqrt(1 - height**2)
    normals = np.stack([around * np.cos(turn), around * np.sin(turn), height], axis=1)
    at = 0.5 + 0.4 * normals
    indicator = INDICATORS["poisson"](at, normals, np.full(2000, 4 * np.pi * 0.16 / 2000))
    x = np.random.default_rng(0).random((5000, 3))
    away = np.linalg.norm(x - 0.5, axis=1) - 0.4
    value = indicator(x)
    assert np.abs(value[away > 0.06] - 1).max() < 0.1
    assert np.abs(value[away < -0.06] + 1).max() < 0.15
    assert np.abs(indicator(at)).max() < 0.15
