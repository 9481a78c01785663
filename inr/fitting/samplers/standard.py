"""The common samplers: shuffled epochs, and products of coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fitting._state_checks import counter, indices
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import lattice_of, strides_of

PREFETCH = 2**17  # samples that are fetched together


@SAMPLERS.register("shuffled")
@dataclass(frozen=True, kw_only=True)
class Shuffled(SamplerConfig):
    """Stratified, without replacement: a batch of n has one random sample of each n-th of the pool.

    Every sample at most once per epoch, anew in each; the whole pool if it fits the batch. A batch is in the pool's
    order, for which a grid encoding thanks with fewer cache misses.
    """

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        return ShuffledSampler(samples.size, batch, generator)


class ShuffledSampler(Sampler):
    def __init__(self, size: int, batch: int, generator: Generator) -> None:
        self._size, self._batch, self._generator = size, min(batch, size), generator
        self._order = torch.arange(size if self._batch == size else 0)  # of an epoch; in `index_type`, if drawn
        self._next = size
        self._prefetch: Tensor | None = None

    def to(self, device: torch.device) -> None:
        self._order = self._order.to(device)

    def draw(self, state: SamplerState) -> BatchIndices:
        if self._batch == self._size:
            return BatchIndices(self._order)
        if self._next + self._batch > len(self._order):
            from inr.fitting.stratified import stratified_epoch  # numba

            device = self._order.device
            self._order, self._prefetch = torch.empty(0), None  # two epochs of a large signal may not fit the memory
            self._order = stratified_epoch(self._size, self._batch, self._generator).flatten().to(device)
            self._next = 0
        length = max(1, PREFETCH // self._batch) * self._batch
        start = self._next % length
        if start == 0 or self._prefetch is None:
            first = self._next - start
            self._prefetch = self._order[first : first + length].long()
        self._next += self._batch
        return BatchIndices(self._prefetch[start : start + self._batch], prefetch=self._prefetch, start=start)

    def state(self) -> dict[str, Tensor]:
        return {"order": self._order.cpu(), "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._order, self._next = indices(state, "order", self._size).to(self._order.device), counter(state, "next")
        self._prefetch = None


@SAMPLERS.register("grid")
@dataclass(frozen=True, kw_only=True)
class GridConfig(SamplerConfig):
    """A product of coordinates: random rows times random columns, as many of each axis as the batch has room for.

    Fields that work by axes (`cp`, `tt`, `tucker`) evaluate it at a fraction of the cost of as many loose points.
    The whole lattice if it fits the batch. Every axis keeps the same share of its coordinates.
    """

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape, order = lattice_of(samples, "grid")
        return GridSampler(shape, order, batch, generator)


class GridSampler(Sampler):
    def __init__(self, shape: tuple[int, ...], order: tuple[int, ...], batch: int, generator: Generator) -> None:
        self._shape, self._generator = shape, generator
        share = min(1.0, batch / math.prod(shape)) ** (1 / len(shape))
        self._counts = tuple(max(1, min(n, int(n * share))) for n in shape)
        self._strides = strides_of(shape, order)
        self._whole = self._draw() if self._counts == shape else None

    def _draw(self) -> BatchIndices:
        index = torch.zeros((), dtype=torch.int64)
        for n, count, stride in zip(self._shape, self._counts, self._strides, strict=True):
            picked = torch.arange(n)
            if count < n:
                picked = torch.randperm(n, generator=self._generator)[:count].sort().values
            index = index.unsqueeze(-1) + stride * picked
        return BatchIndices(index.flatten(), grid=self._counts)

    def draw(self, state: SamplerState) -> BatchIndices:
        return self._whole or self._draw()

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pass
