"""The heat loss against closed forms: of a ball and of a flat sheet; and its weights over a run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inr.fields import Field
from inr.fitting.losses.heat import Ball, Heat, heat_density
from tests.fitting.losses.test_standard import Exact, on_sphere, sphere


def heat_alone(absorption: float) -> Heat:
    return Heat(surface=0.0, eikonal=0.0, heat=1.0, absorption=absorption)


@pytest.mark.slow
def test_heat_of_a_ball_is_its_closed_form(generator: torch.Generator) -> None:
    """4 pi (r^2 / lambda + 1 / (2 lambda^3)) over all space, of which the box misses exp(-2 lambda 0.2)."""
    batch, absorption = on_sphere(1_000_000, generator), 30.0
    found = float(heat_alone(absorption).value(Exact(sphere), batch, generator).detach())
    assert found == pytest.approx(4 * math.pi * (0.3**2 / absorption + 0.5 / absorption**3), rel=0.01)


def test_heat_of_a_sheet_is_its_closed_form(generator: torch.Generator) -> None:
    """(1 - exp(-lambda)) / lambda per area, of a sheet in the middle of the box."""
    field = Exact(lambda x: x[:, :1] - 0.5)
    found = float(heat_alone(20.0).value(field, on_sphere(100_000, generator), generator).detach())
    assert found == pytest.approx((1 - math.exp(-20.0)) / 20, rel=0.02)


def test_the_density_by_quadrature() -> None:
    """A ball of radius 1/2 and absorption 20: 0.157865."""
    r = np.linspace(0, 3, 300_001)
    shell = 4 * np.pi * r**2 * heat_density(torch.from_numpy(r - 0.5), torch.ones(len(r)), 20.0).numpy()
    assert np.trapezoid(shell, r) == pytest.approx(0.157865, rel=1e-4)


def test_an_exact_distance_costs_its_heat_alone(generator: torch.Generator) -> None:
    batch = on_sphere(20_000, generator)
    found = Heat(heat=1.0, absorption=30.0).value(Exact(sphere), batch, generator).detach()
    assert float(found) == pytest.approx(4 * math.pi * (0.3**2 / 30 + 0.5 / 30**3), rel=0.1)


def test_a_second_sheet_costs_more(generator: torch.Generator) -> None:
    def two_sheets(x: Tensor) -> Tensor:
        return (sphere(x) + 0.05).abs() - 0.05  # also at radius 0.2

    batch = on_sphere(20_000, generator)
    one, two = (heat_alone(30.0).value(Exact(f), batch, generator) for f in (sphere, two_sheets))
    assert float(two.detach()) > 1.2 * float(one.detach())


def test_weights_over_a_run() -> None:
    loss = Heat(start=0.1)
    assert isinstance(loss.at(0.05), Ball)
    early, middle, end = (loss.at(t) for t in (0.1, 0.64, 1.0))
    assert isinstance(early, Heat)
    assert isinstance(middle, Heat)
    assert isinstance(end, Heat)
    assert (early.absorption, early.eikonal, early.heat) == pytest.approx((66 * 2 / 15, 1.0, 140.0))
    assert middle.absorption == pytest.approx(66 * (2 / 15 + 13 / 15 * 0.5))
    assert (end.absorption, end.eikonal, end.heat) == pytest.approx((66.0, 10.0, 0.7))


class Shifted(Field):
    """|x - 1/2| - r."""

    def __init__(self, r: float) -> None:
        super().__init__()
        self.r = nn.Parameter(torch.tensor(r))

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = torch.linalg.vector_norm(x - 0.5, dim=-1, keepdim=True) - self.r
        return value


def test_a_run_begins_as_the_ball_of_the_points(generator: torch.Generator) -> None:
    batch = on_sphere(20_000, generator)
    at = [float(Ball().value(Shifted(r), batch, generator).detach()) for r in (0.3, 0.2)]
    assert at == pytest.approx([0.0, 0.1], abs=0.01)
