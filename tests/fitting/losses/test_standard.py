"""Losses: their formulas, on fields with known formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting.losses.standard import L1, Eikonal, Mape, Mse
from inr.signals import Batch


class Exact(Field):
    """A field that is a given formula."""

    def __init__(self, formula: object, d_in: int = 3) -> None:
        super().__init__()
        self.formula, self.d_in, self.d_out, self.smoothness, self.boundary = formula, d_in, 1, math.inf, "extend"
        self.config = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.formula(x)  # type: ignore[operator]
        return out


def sphere(x: Tensor) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(x - 0.5, dim=-1, keepdim=True) - 0.3
    return distance


def on_sphere(n: int, generator: torch.Generator) -> Batch:
    normals = nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
    return Batch(0.5 + 0.3 * normals, torch.zeros(n, 1), normals=normals)


def test_value_losses_are_their_formulas(generator: torch.Generator) -> None:
    field = Exact(lambda x: x[:, :1], 1)
    batch = Batch(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [1.0]]))
    assert float(Mse().value(field, batch, generator)) == pytest.approx((0.25 + 4) / 2)
    assert float(L1().value(field, batch, generator)) == pytest.approx((0.5 + 2) / 2)
    assert float(L1(clamp=0.75).value(field, batch, generator)) == pytest.approx((0.25 + 0) / 2)
    assert float(Mape(eps=0.5).value(field, batch, generator)) == pytest.approx((0.5 / 1.0 + 2 / 1.5) / 2)
    weighted = Batch(batch.x, batch.y, weight=torch.tensor([[1.0], [0.0]]))
    assert float(Mse().value(field, weighted, generator)) == pytest.approx(0.25 / 2)


def test_eikonal_loss_of_the_exact_distance_is_the_off_surface_term_alone(generator: torch.Generator) -> None:
    """mean exp(-k |f|) over the unit box is the shell's volume, about 2 * 4 pi r^2 / k."""
    loss = Eikonal(off=1.0, sharpness=100.0)
    value = float(loss.value(Exact(sphere), on_sphere(4096, generator), generator).detach())
    shells = [float(torch.exp(-100 * sphere(torch.rand(200_000, 3, generator=generator)).abs()).mean())]
    assert value == pytest.approx(shells[0], rel=0.15)
    assert shells[0] == pytest.approx(2 * 4 * math.pi * 0.3**2 / 100, rel=0.1)


@pytest.mark.parametrize(
    ("formula", "weights", "expected"),
    [
        (lambda x: 2 * sphere(x), {"eikonal": 1.0}, 1.0),  # gradient length 2
        (lambda x: -sphere(x), {"normal": 1.0}, 2.0),  # normals opposite
        (lambda x: sphere(x) + 0.05, {"surface": 1.0}, 0.05),
    ],
)
def test_each_eikonal_term_measures_what_it_names(
    formula: object, weights: dict[str, float], expected: float, generator: torch.Generator
) -> None:
    silent = {"surface": 0.0, "off": 0.0, "normal": 0.0, "eikonal": 0.0}
    loss = Eikonal(**{**silent, **weights})
    value = loss.value(Exact(formula), on_sphere(256, generator), generator)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
