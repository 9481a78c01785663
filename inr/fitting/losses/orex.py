"""Inside or outside at points of planes.  OReX: Sawdayee et al. 2023, arXiv:2211.12886."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.fields import Field
from inr.fitting.losses._base import LOSSES, LossConfig, value_and_gradient
from inr.signals import Batch


@LOSSES.register("orex")
@dataclass(frozen=True, kw_only=True)
class Orex(LossConfig):
    """The sign of samples only: mean BCE(label, sharpness f) + slope mean max(|df/dx| - 1, 0).

    label: 1 outside, 0 inside, 1/2 where the sample is 0. OReX's network is a logit in [-1, 1]^3 whose slope is
    penalised above 100; here f is a logit / 200 in the unit box, so that its slope is at most about 1, and values are
    distances roughly. Its network, which refines the logit in 10 passes, is not included.
    """

    order: ClassVar[int] = 1

    sharpness: float = param(200.0, "logit per length of the unit box", gt=0)
    slope: float = param(0.01, "weight of slopes above 1", ge=0)

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        label = (1 + batch.y[:, 0].sign()) / 2
        f, gradient = value_and_gradient(field, batch.x)
        error = torch.nn.functional.binary_cross_entropy_with_logits(self.sharpness * f, label)
        total: Tensor = error + self.slope * (torch.linalg.vector_norm(gradient, dim=-1) - 1).clamp(min=0).mean()
        return total
