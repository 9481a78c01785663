"""The training samples of a signal, as used by initialisations and samplers."""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from inr.core.domain import Spec
from inr.core.errors import UsageError


class WeightedPool(Protocol):
    """Samples by flat index: batches have coordinates x, values y, and loss weights or None. order: as in `Samples`."""

    @property
    def size(self) -> int: ...

    @property
    def order(self) -> tuple[int, ...] | None: ...

    def batch(self, index: Tensor) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Samples:
    """Training samples, addressed by flat index.

    spec: of the signal. size: number of samples. at: flat indices [N] (int64) to coordinates [N, D] in the unit box
    and training values [N, C]. order: array axis per coordinate if the samples form a lattice (flat indices are
    then row-major over the array's axes), None for scattered points. tile: block shape per array axis, if samples are
    read from disk block by block. anywhere: training values [N, C] at any points [N, D], of signals that can tell.
    """

    spec: Spec
    size: int
    at: Callable[[Tensor], tuple[Tensor, Tensor]]
    order: tuple[int, ...] | None = None
    tile: tuple[int, ...] | None = None
    anywhere: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def counted(cls, spec: Spec, pool: WeightedPool, tile: tuple[int, ...] | None = None) -> Samples:
        """The samples of a pool. Values without weight, such as colours under alpha 0, are replaced by the mean of the
        other values of the channel, so that they do not affect the spectrum."""

        @functools.cache
        def mean() -> Tensor:
            batch = pool.batch(torch.arange(0, pool.size, max(1, pool.size // 2**16)))
            counts = torch.broadcast_to(batch.weight > 0, batch.y.shape).to(torch.float64)
            total: Tensor = (batch.y * counts).sum(0)
            return total / counts.sum(0).clamp(min=1)

        def at(index: Tensor) -> tuple[Tensor, Tensor]:
            batch = pool.batch(index)
            if batch.weight is None:
                return batch.x.to(torch.float32), batch.y
            return batch.x.to(torch.float32), torch.where(batch.weight > 0, batch.y, mean().to(batch.y))

        return cls(spec, pool.size, at, pool.order, tile)

    def is_constant(self) -> bool:
        """Whether every channel is constant; stops at the first different value."""
        first = self.at(torch.zeros(1, dtype=torch.int64))[1]
        for start in range(0, self.size, 2**18):
            if bool((self.at(torch.arange(start, min(start + 2**18, self.size)))[1] != first).any()):
                return False
        return True

    def grid(self) -> Tensor | None:
        """Values [*spec.shape, C], axes in coordinate order; None if the samples are not a lattice."""
        if self.order is None or self.spec.shape is None:
            return None
        self.refuse_tiles()
        shape = [0] * len(self.order)
        for d, axis in enumerate(self.order):
            shape[axis] = self.spec.shape[d]
        y = self.at(torch.arange(self.size))[1]
        return y.reshape(*shape, -1).permute(*self.order, len(shape))

    def array_shape(self) -> tuple[int, ...]:
        """Samples per array axis of a lattice; flat indices are row-major over them."""
        assert self.order is not None
        assert self.spec.shape is not None
        return tuple(self.spec.shape[self.order.index(axis)] for axis in range(len(self.order)))

    def draw_loose_points(self, n_blocks: int, n: int, generator: Generator) -> Samples:
        """n samples as scattered points, drawn uniformly from random blocks, for initialisations."""
        assert self.tile is not None
        index = draw_from_blocks(draw_blocks(self, n_blocks, generator), self, n, generator)
        return Samples(self.spec, n, lambda i: self.at(index[i]))

    def refuse_tiles(self) -> None:
        """Raise UsageError if samples are read from disk in blocks; for callers that need all samples at once."""
        if self.tile is not None:
            raise UsageError(
                f"a signal of {self.size:,} samples is read in blocks, but this operation needs all samples in memory",
                "choose a field and settings that do not need the whole signal",
            )

    def subset(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """n samples drawn without replacement, or all samples if there are at most n."""
        self.refuse_tiles()
        if n >= self.size:
            return self.at(torch.arange(self.size))
        return self.at(torch.randperm(self.size, generator=generator)[:n])


def draw_blocks(samples: Samples, n: int, generator: Generator) -> Tensor:
    """Corners [n, D] (array axes) of blocks, drawn with replacement, weighted by their number of samples."""
    assert samples.tile is not None
    index = torch.randint(samples.size, (n,), generator=generator)  # the block that contains a random sample
    places = torch.stack(torch.unravel_index(index, samples.array_shape()), dim=-1)
    tile = torch.tensor(samples.tile)
    return places // tile * tile


def draw_from_blocks(corners: Tensor, samples: Samples, n: int, generator: Generator) -> Tensor:
    """Flat indices [n] of samples, each uniform in a block, which is drawn uniformly from `corners` [m, D].

    The draws are with replacement. With corners of `draw_blocks` every sample of the signal is equally likely.
    """
    assert samples.tile is not None
    shape = torch.tensor(samples.array_shape())
    low = corners[torch.randint(len(corners), (n,), generator=generator)]
    side = torch.minimum(torch.tensor(samples.tile), shape - low)
    place = low + (torch.rand(n, len(shape), generator=generator, dtype=torch.float64) * side).long()
    index = torch.zeros(n, dtype=torch.int64)
    for axis, count in enumerate(shape.tolist()):
        index = index * count + place[:, axis]
    return index


class DataDependentInit(ABC):
    """A module whose initialisation depends on the signal; `Field.initialise` calls it once, before the first step."""

    @abstractmethod
    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Set parameters and buffers in place, from the samples and `generator` alone."""
