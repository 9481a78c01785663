"""A distance, with its sign, from points without normals.  HotSpot: Wang et al. 2025, arXiv:2411.14628."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.fields import Field
from inr.fitting.losses._base import LOSSES, LossConfig, value_and_gradient
from inr.signals import Batch

_SPREAD = 0.16
"""Standard deviation of the normal distribution of half of the points elsewhere, per axis of the unit box."""
_LOW, _HIGH = 0.2, 0.8
"""Shares of the run up to which the weights are those at its start, and from which heat falls to that at its end."""
_WEAK = 2 / 15
"""Absorption at the start of a run, in shares of that at its end."""


@LOSSES.register("heat")
@dataclass(frozen=True, kw_only=True)
class Heat(LossConfig):
    """Points on the surface alone: no normals, and no distances.

    surface mean|f| + eikonal mean| |df/dx| - 1 | + heat L, with L = 1/2 int exp(-2 absorption |f|) (|df/dx|^2 + 1) dx
    over the unit box. exp(-absorption |f|) then solves the screened Poisson equation with 1 on the surface, so |f|
    tends to the distance as the absorption grows; each sheet costs about 1 / absorption per area, so there are no more
    than the points need. The integral is a mean over points drawn half uniformly and half from a normal distribution
    around the middle, divided by the density of both. Every batch has as many of them as points.

    Over a run, as HotSpot's for ShapeNet: absorption grows from 2/15 of its value and eikonal from 1/10, from 1/5 of
    the run to its end; heat falls to 1/200 over the last fifth. Lengths are those of the unit box, 1/2.2 of the
    paper's. In the first `start` of a run f is fitted to the distance of a ball with the middle and the median radius
    of the batch, in place of the paper's initialisation as a ball.
    """

    order: ClassVar[int] = 1
    draws: ClassVar[bool] = True

    surface: float = param(770.0, "weight of |f| on the points", ge=0)
    eikonal: float = param(10.0, "weight of unit gradient length, at the end", ge=0)
    heat: float = param(140.0, "weight of the heat that the surface gives off, before its end", ge=0)
    absorption: float = param(66.0, "rate at which heat decays, per unit-box length, at the end", gt=0)
    start: float = param(0.1, "share of the run in which the field becomes a ball", ge=0, lt=1)

    def at(self, progress: float) -> LossConfig:
        if progress < self.start:
            return Ball()
        t = min(1.0, (progress - self.start) / (1 - self.start))
        up = max(0.0, (t - _LOW) / (1 - _LOW))
        down = max(0.0, (t - _HIGH) / (1 - _HIGH))
        return dataclasses.replace(
            self,
            absorption=self.absorption * (_WEAK + (1 - _WEAK) * up),
            eikonal=self.eikonal * (0.1 + 0.9 * up),
            heat=self.heat * (1 - 0.995 * down),
        )

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        elsewhere, density = _elsewhere(len(batch.x), generator, batch.x)
        f_on, g_on = value_and_gradient(field, batch.x)
        f_off, g_off = value_and_gradient(field, elsewhere)
        lengths = torch.linalg.vector_norm(torch.cat([g_on, g_off]), dim=-1)
        heat = heat_density(f_off, lengths[len(f_on) :], self.absorption) / density
        total: Tensor = (
            self.surface * f_on.abs().mean() + self.eikonal * (lengths - 1).abs().mean() + self.heat * heat.mean()
        )
        return total


@dataclass(frozen=True, kw_only=True)
class Ball(LossConfig):
    """mean |f - (|x - c| - r)| at the batch and at uniform points, c the batch's mean, r its median distance to c."""

    draws: ClassVar[bool] = True

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        uniform = torch.rand(batch.x.shape, generator=generator, dtype=batch.x.dtype).to(batch.x.device)
        middle = batch.x.mean(dim=0)
        radius = torch.linalg.vector_norm(batch.x - middle, dim=-1).median()
        x = torch.cat([batch.x, uniform])
        error: Tensor = field(x)[:, 0] - (torch.linalg.vector_norm(x - middle, dim=-1) - radius)
        return error.abs().mean()


def heat_density(f: Tensor, length: Tensor, absorption: float) -> Tensor:
    """The integrand of the heat, exp(-2 absorption |f|) (length^2 + 1) / 2, of values f and lengths of gradients."""
    return torch.exp(-2 * absorption * f.abs()) * (length.square() + 1) / 2


def _elsewhere(n: int, generator: Generator, like: Tensor) -> tuple[Tensor, Tensor]:
    """n points [n, D], half of them uniform in the unit box, half normal around its middle; and their density [n].

    Points outside the box, which are not part of the integral, are moved into it and have an infinite density.
    """
    d = like.shape[1]
    uniform = torch.rand((n // 2, d), generator=generator, dtype=like.dtype)
    normal = 0.5 + _SPREAD * torch.randn((n - n // 2, d), generator=generator, dtype=like.dtype)
    x = torch.cat([uniform, normal])
    inside = ((x >= 0) & (x <= 1)).all(dim=1)
    scale = (_SPREAD * math.sqrt(2 * math.pi)) ** d
    bell = torch.exp(-(x - 0.5).square().sum(dim=1) / (2 * _SPREAD**2)) / scale
    share = n // 2 / n
    density = torch.where(inside, share + (1 - share) * bell, math.inf)
    return x.clamp(0, 1).to(like.device), density.to(like.device)
