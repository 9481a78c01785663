"""Samples on a lattice, and a measurement of known residuals."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.config import parse
from inr.core.domain import Grid, Spec
from inr.core.samples import Samples
from inr.fitting.samplers import Sampler, SamplerConfig, SamplerState


def lattice(shape: tuple[int, ...], values: Tensor | None = None, order: tuple[int, ...] | None = None) -> Samples:
    """shape: per coordinate. values: by flat index; else random ones."""
    order = order or tuple(range(len(shape)))
    grid = Grid.whole(tuple(shape[order.index(axis)] for axis in range(len(shape))), order)
    size = math.prod(shape)
    y = torch.rand(size, generator=Generator().manual_seed(0)) if values is None else values

    def at(index: Tensor) -> tuple[Tensor, Tensor]:
        return grid.points(index), y[index, None]

    return Samples(Spec("array", len(shape), 1, shape), size, at, order)


def points(size: int) -> Samples:
    """Samples that are not a lattice."""
    return Samples(Spec("points", 2, 1), size, lambda i: (torch.zeros(len(i), 2), torch.zeros(len(i), 1)))


class Oracle:
    """A measurement of known residuals; counts how often all of them are requested."""

    def __init__(self, residual: Tensor) -> None:
        self.residual = residual if residual.ndim == 2 else residual[:, None]
        self.n_asked = 0

    def look(self, step: int = 0, progress: float = 0.0) -> SamplerState:
        return SamplerState(step, progress, self.residuals, self.gradients)

    def residuals(self, index: Tensor) -> Tensor:
        self.n_asked += 1
        return self.residual[index]

    def gradients(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return self.residual[index].square().mean(-1), torch.zeros(len(index), 2)


def build(document: dict[str, Any], samples: Samples, batch: int, generator: Generator) -> Sampler:
    return parse(SamplerConfig, document).build(samples, batch, generator)
