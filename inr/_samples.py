"""A signal's training samples as fields, starts and samplers may see them: without knowing what a signal is."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from inr._domain import Spec
from inr._errors import UsageError


@dataclasses.dataclass(frozen=True)
class Samples:
    """Training samples, addressed by flat index.

    spec: of the signal. size: how many there are. at: flat indices [N] (int64) to coordinates [N, D] in the unit box
    and training values [N, C]. order: array axis per coordinate where the samples are a lattice (flat indices are
    then row-major over the array's axes), None where they are points. tile: where they are read from disk block by
    block, the shape of a block per array axis.
    """

    spec: Spec
    size: int
    at: Callable[[Tensor], tuple[Tensor, Tensor]]
    order: tuple[int, ...] | None = None
    tile: tuple[int, ...] | None = None

    def grid(self) -> Tensor | None:
        """Values [*spec.shape, C], axes in coordinate order; None where the samples are not a lattice."""
        if self.order is None or self.spec.shape is None:
            return None
        self.refuse_tiles()
        shape = [0] * len(self.order)
        for d, axis in enumerate(self.order):
            shape[axis] = self.spec.shape[d]
        y = self.at(torch.arange(self.size))[1]
        return y.reshape(*shape, -1).permute(*self.order, len(shape))

    def array_shape(self) -> tuple[int, ...]:
        """Samples per array axis of a lattice, over which flat indices are row-major."""
        assert self.order is not None
        assert self.spec.shape is not None
        return tuple(self.spec.shape[self.order.index(axis)] for axis in range(len(self.order)))

    def seen_from(self, n_blocks: int, n: int, generator: Generator) -> Samples:
        """n samples as loose points, drawn uniformly from random blocks: what a start sees of a signal on disk."""
        assert self.tile is not None
        index = draw_from_blocks(draw_blocks(self, n_blocks, generator), self, n, generator)
        return Samples(self.spec, n, lambda i: self.at(index[i]))

    def refuse_tiles(self) -> None:
        """UsageError where the samples are on disk: for what would look at all of them at once."""
        if self.tile is not None:
            raise UsageError(
                f"a signal of {self.size:,} samples is read tile by tile, and here all of it would be needed at once",
                "choose a field and settings that do not look at the whole signal",
            )

    def some(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """n samples drawn without replacement, or all of them where there are no more."""
        self.refuse_tiles()
        if n >= self.size:
            return self.at(torch.arange(self.size))
        return self.at(torch.randperm(self.size, generator=generator)[:n])


def draw_blocks(samples: Samples, n: int, generator: Generator) -> Tensor:
    """Corners [n, D] (array axes) of blocks, drawn with replacement, each as likely as it has samples."""
    assert samples.tile is not None
    index = torch.randint(samples.size, (n,), generator=generator)  # a block is where a random sample lies
    places = torch.stack(torch.unravel_index(index, samples.array_shape()), dim=-1)
    tile = torch.tensor(samples.tile)
    return places // tile * tile


def draw_from_blocks(corners: Tensor, samples: Samples, n: int, generator: Generator) -> Tensor:
    """Flat indices [n] of samples, each uniform in a block that is uniform among those at `corners` [m, D].

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


class Informed(ABC):
    """A module whose initialisation looks at the signal; `Field.start` calls it once, before the first step."""

    @abstractmethod
    def start(self, samples: Samples, generator: Generator) -> None:
        """Set parameters and buffers in place, from the samples and `generator` alone."""
