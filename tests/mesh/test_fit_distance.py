"""The distance of a fit in its own units, inside and outside its box."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.fields import Field
from inr.fitting import Fit
from inr.mesh.fit_distance import FitDistance
from inr.signals.analytic import demo
from inr.workflows.fit import fit
from tests.exporters.fits import fit_of


class _Broken(Field):
    """A field whose values are NaN."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def lipschitz_bound(self) -> None:
        return None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.field(x)
        return values * torch.nan


@pytest.fixture(scope="module")
def ball() -> Fit:
    return fit(demo("sphere"), {"type": "lbdn", "width": 16}, {"steps": 5})


def test_inside_the_box_it_is_the_fit(ball: Fit) -> None:
    distance = FitDistance(ball)
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    found = distance(ball.frame.domain.from_unit(x.double()).numpy())
    assert found.dtype == np.float32
    assert np.allclose(found, ball(x)[:, 0].numpy(), atol=1e-5)
    assert distance.side == pytest.approx(2.2)
    assert distance.lipschitz == pytest.approx(ball.field.lipschitz_bound())


def test_outside_it_is_a_lower_bound_that_grows(ball: Fit) -> None:
    distance = FitDistance(ball)
    p = np.random.default_rng(0).normal(size=(200, 3)) * 5
    p = p[np.abs(p).max(axis=1) > 1.1]
    wall = np.clip(p, -1.1, 1.1)
    way, near, found = np.linalg.norm(p - wall, axis=1), np.maximum(distance(wall), 0), distance(p)
    assert (found >= np.maximum(way, near) * (1 - 1e-6)).all()
    assert (found <= (way + near) * (1 + 1e-6)).all()


def test_other_fits_are_refused(ball: Fit) -> None:
    with pytest.raises(UsageError, match=r"a grid of distances needs a fitted shape or point cloud, this model is of"):
        FitDistance(fit_of({"type": "siren", "width": 8, "depth": 2}, 3, 1))
    distance = FitDistance(dataclasses.replace(ball, field=_Broken(ball.field)))
    with pytest.raises(UsageError, match="not finite"):
        distance(np.zeros((1, 3)))
