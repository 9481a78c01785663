"""Signals from formulas: reachable by name, closed forms, surface points on the surface."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.core.solid_formulas import box, sphere, torus
from inr.signals import Source, load_signal
from inr.signals.analytic import DEMO_NAMES, chirp, demo, zone_plate
from inr.signals.image import Image
from inr.signals.shape import Shape


@pytest.mark.parametrize("name", DEMO_NAMES)
def test_every_demo_is_a_signal(name: str) -> None:
    signal = load_signal(f"analytic:{name}")
    pool = signal.pool(torch.Generator().manual_seed(0))
    batch = pool.batch(torch.arange(100))
    assert batch.x.shape == (100, signal.spec.d_in)
    assert batch.y.shape == (100, signal.spec.d_out)
    assert signal.headline in signal.metrics(lambda x: torch.zeros(len(x), signal.spec.d_out))
    assert Source.of(f"analytic:{name}").stem == name


def test_unknown_names_and_options() -> None:
    with pytest.raises(UsageError, match="did you mean 'torus'"):
        load_signal("analytic:tours")
    with pytest.raises(UsageError, match="unknown option"):
        load_signal("analytic:torus", options={"points": "3"})


def test_a_demo_picture_is_an_image() -> None:
    picture = demo("scene")
    assert isinstance(picture, Image)
    assert picture.spec.shape == (256, 192)


@pytest.mark.parametrize(("distance", "name"), [(sphere, "sphere"), (box, "box"), (torus, "torus")])
def test_distances_have_unit_slope_and_surface_points_are_on_the_surface(distance: Any, name: str) -> None:
    p = (3 * torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1.5).requires_grad_()
    (slope,) = torch.autograd.grad(distance(p).sum(), p)
    torch.testing.assert_close(slope.norm(dim=-1), torch.ones(500, dtype=torch.float64))
    shape = demo(name)
    assert isinstance(shape, Shape)
    x = torch.from_numpy(shape.solid.surface(1000, torch.Generator().manual_seed(0)))
    p = shape.frame.domain.from_unit(x)
    assert float(distance(p).abs().max()) < 1e-9
    np.testing.assert_allclose(x.amin(0), shape.solid.low, atol=0.02)
    np.testing.assert_allclose(x.amax(0), shape.solid.high, atol=0.02)


def test_shape_metrics_of_the_formula_itself() -> None:
    shape = demo("torus")
    assert isinstance(shape, Shape)
    assert shape.metrics(shape.distance)["iou"] == 1
    with pytest.raises(UsageError, match="formula"):
        _ = shape.mesh


def test_chirp_ends_at_its_high_frequency_and_zone_plate_is_symmetric() -> None:
    sound = chirp(1.0, 8000, 50.0, 2000.0)[:, 0]
    crossings = np.count_nonzero(np.diff(np.signbit(sound)))
    assert crossings == pytest.approx(2 * (50 + 2000) / 2, abs=2)
    plate = zone_plate(64)
    np.testing.assert_allclose(plate, plate[::-1], atol=1e-6)
    np.testing.assert_allclose(plate, plate.transpose(1, 0, 2), atol=1e-6)
    assert plate[32, 32, 0] == pytest.approx(0.5 + 0.5 * math.cos(math.pi * 0.5 / 64), abs=1e-6)
