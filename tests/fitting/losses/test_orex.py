"""The loss of OReX against a closed form."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from inr.fields import Field
from inr.fitting.losses.orex import Orex
from inr.signals import Batch


class Plane(Field):
    """f = a x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x[..., :1]


def test_labels_and_slopes() -> None:
    batch = Batch(torch.tensor([[0.01, 0.0], [0.02, 0.0], [0.0, 0.0]]), torch.tensor([[0.3], [-0.1], [0.0]]))
    loss = Orex(sharpness=100.0, slope=0.5)
    for a, slope in ((0.8, 0.0), (3.0, 2.0)):
        found = float(loss.value(Plane(a), batch, Generator()).detach())
        expected = math.log1p(math.exp(-a)) + math.log1p(math.exp(2 * a)) + math.log(2)
        assert abs(found - (expected / 3 + 0.5 * slope)) < 1e-5
