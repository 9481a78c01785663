"""Losses. p = prediction, t = target, in training values; means are over points and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fields import Field
from inr.fitting.losses._base import LOSSES, LossConfig, predict, value_and_gradient
from inr.signals import Batch


@LOSSES.register("mse")
@dataclass(frozen=True, kw_only=True)
class Mse(LossConfig):
    """mean w (p - t)^2, w = 1 but where the signal says otherwise (colour under transparent pixels)."""

    is_mse: ClassVar[bool] = True
    is_capturable: ClassVar[bool] = True

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        return _mean_error(field, batch, batch.weight, 2)


@LOSSES.register("l1")
@dataclass(frozen=True, kw_only=True)
class L1(LossConfig):
    """mean w |p - t|, with p and t clamped to +-clamp first when it is given (DeepSDF)."""

    is_capturable: ClassVar[bool] = True

    clamp: float | None = param(None, "clamp values to +- this, in training units", gt=0)

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        if self.clamp is None:
            return _mean_error(field, batch, batch.weight, 1)
        p, t = (values.clamp(-self.clamp, self.clamp) for values in (predict(field, batch), batch.y))
        return _weighted((p - t).abs(), batch.weight)


@LOSSES.register("mape")
@dataclass(frozen=True, kw_only=True)
class Mape(LossConfig):
    """mean |p - t| / (|t| + eps): distances, with the weight at the surface.  Mueller et al. 2022."""

    is_capturable: ClassVar[bool] = True

    eps: float = param(0.01, "distance, in unit-box lengths, below which errors count as absolute", gt=0)

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        weight = 1 / (batch.y.abs() + self.eps)
        return _mean_error(field, batch, weight if batch.weight is None else weight * batch.weight, 1)


@LOSSES.register("eikonal")
@dataclass(frozen=True, kw_only=True)
class Eikonal(LossConfig):
    """Distance from oriented points only.  Sitzmann et al. 2020, section 4.2.

    surface mean|f| + off mean exp(-sharpness |f|) + normal mean(1 - cos(df/dx, n)) + eikonal mean| |df/dx| - 1 |:
    the first and third over the batch, the second over as many uniform points of the box, the last over both.
    The paper's weights 3e3, 1e2, 1e2, 5e1 multiply means over both halves together; here each mean is over its own
    points, and lengths are those of the unit box, half the paper's, hence other numbers for the same objective.
    """

    order: ClassVar[int] = 1
    draws: ClassVar[bool] = True

    surface: float = param(3000.0, "weight of |f| on the points", ge=0)
    off: float = param(50.0, "weight of keeping the field away from 0 elsewhere", ge=0)
    sharpness: float = param(200.0, "decay of that term, per unit-box length", gt=0)
    normal: float = param(50.0, "weight of the normals", ge=0)
    eikonal: float = param(50.0, "weight of unit gradient length", ge=0)

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        if batch.normals is None:
            raise UsageError("loss 'eikonal' needs points with normals", "use `fit.loss=mape` for a mesh")
        elsewhere = torch.rand(batch.x.shape, generator=generator, dtype=batch.x.dtype).to(batch.x.device)
        f_on, g_on = value_and_gradient(field, batch.x)
        f_off, g_off = value_and_gradient(field, elsewhere)
        cosine = torch.nn.functional.cosine_similarity(g_on, batch.normals, dim=-1)
        lengths = torch.linalg.vector_norm(torch.cat([g_on, g_off]), dim=-1)
        total: Tensor = (
            self.surface * f_on.abs().mean()
            + self.off * torch.exp(-self.sharpness * f_off.abs()).mean()
            + self.normal * (1 - cosine).mean()
            + self.eikonal * (lengths - 1).abs().mean()
        )
        return total


def _mean_error(field: Field, batch: Batch, weight: Tensor | None, power: Literal[1, 2]) -> Tensor:
    if batch.axes is None:
        return field.mean_error(batch.x, batch.y, weight, power)
    error = predict(field, batch) - batch.y
    return _weighted(error.square() if power == 2 else error.abs(), weight)


def _weighted(error: Tensor, weight: Tensor | None) -> Tensor:
    return error.mean() if weight is None else (error * weight).mean()
