"""Losses: their formulas, on fields with known formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting.losses.standard import L1, Eikonal, Mape, Mse
from inr.signals import Batch
from tests.published import Array, Published, PublishedFormula, check


class Exact(Field):
    """A field that is a given formula."""

    def __init__(self, formula: object, d_in: int = 3) -> None:
        super().__init__()
        self.formula, self.d_in, self.d_out, self.smoothness, self.boundary = formula, d_in, 1, math.inf, "extend"
        self.config = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.formula(x)  # type: ignore[operator]
        return out


CENTRE = (0.1, -0.2, 0.3)


def _oriented() -> tuple[Batch, Tensor]:
    """Oriented points, and the points elsewhere that the loss draws."""
    batch = on_sphere(300, torch.Generator().manual_seed(0))
    return batch, torch.rand((300, 3), generator=torch.Generator().manual_seed(1))


def _published_eikonal() -> Array:
    """SIREN's, for X in [-1, 1]^3 and F = |X - c| sin |X - c| - 1/2; means are over all points together."""
    batch, elsewhere = _oriented()
    assert batch.normals is not None
    x = 2 * np.concatenate([batch.x.numpy(), elsewhere.numpy()]).astype(np.float64) - 1
    arm = x - np.array(CENTRE)
    r = np.linalg.norm(arm, axis=1)
    values, slope = r * np.sin(r) - 0.5, arm / r[:, None] * (np.sin(r) + r * np.cos(r))[:, None]
    is_on = np.arange(len(x)) < 300
    normals = np.concatenate([batch.normals.numpy(), np.zeros((300, 3))])
    length = np.linalg.norm(slope, axis=1)
    cosine = (slope * normals).sum(1) / np.maximum(length * np.linalg.norm(normals, axis=1), 1e-12)
    terms = (
        3e3 * np.where(is_on, np.abs(values), 0).mean(),
        1e2 * np.where(is_on, 0, np.exp(-1e2 * np.abs(values))).mean(),
        1e2 * np.where(is_on, 1 - cosine, 0).mean(),
        5e1 * np.abs(length - 1).mean(),
    )
    return np.array(sum(terms))


def _eikonal() -> Array:
    def formula(x: Tensor) -> Tensor:
        r = torch.linalg.vector_norm(2 * x - 1 - torch.tensor(CENTRE), dim=-1, keepdim=True)
        distance: Tensor = (r * torch.sin(r) - 0.5) / 2  # in lengths of the unit box
        return distance

    batch, _ = _oriented()
    return Eikonal().value(Exact(formula), batch, torch.Generator().manual_seed(1)).detach().numpy()


PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="eikonal: loss",
        source="vsitzmann/siren, sdf",
        published=_published_eikonal,
        here=_eikonal,
        tolerance=2e-3,  # of 3e3, in float32
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_loss(statement: Published) -> None:
    check(statement)


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
