"""Sampling of signals that are read from disk block by block: a working set of blocks, and random samples of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.samples import Samples, draw_blocks, draw_from_blocks
from inr.fitting._state_checks import counter
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import in_order

MOST_SAMPLES = 2**26


@SAMPLERS.register("tiles")
@dataclass(frozen=True, kw_only=True)
class TilesConfig(SamplerConfig):
    """Random samples, with replacement, of a working set of random tiles, some of which are exchanged every step.

    Every sample of the signal is equally likely in every batch, so the loss is right on average. What differs from
    `shuffled`: samples of a batch share tiles, and batches that follow each other do, so a batch's loss varies more;
    and a tile is seen for `held / fresh` steps, then not again until it is drawn anew, after (number of tiles) /
    `fresh` steps on average. A run with fewer steps than that leaves tiles unseen: a share exp(-fresh steps / tiles).
    The working set has at most 2^26 samples, whatever `held` says.
    """

    reads_tiles: ClassVar[bool] = True

    held: int = param(64, "tiles in the working set", ge=1)
    fresh: int = param(4, "tiles exchanged per step, which are read from disk", ge=1)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        if samples.tile is None:
            raise UsageError("sampler 'tiles' is for signals read from disk, but this one is in memory")
        held = max(1, min(self.held, MOST_SAMPLES // math.prod(samples.tile)))
        return TilesSampler(samples, held, min(self.fresh, held), min(batch, samples.size), generator)


class TilesSampler(Sampler):
    def __init__(self, samples: Samples, held: int, fresh: int, batch: int, generator: Generator) -> None:
        self._samples, self._fresh, self._batch, self._generator = samples, fresh, batch, generator
        self._corners = draw_blocks(samples, held, generator)
        self._next = 0

    def draw(self, state: SamplerState) -> BatchIndices:
        index = draw_from_blocks(self._corners, self._samples, self._batch, self._generator)
        slots = (self._next + torch.arange(self._fresh)) % len(self._corners)
        self._corners[slots] = draw_blocks(self._samples, self._fresh, self._generator)
        self._next = (self._next + self._fresh) % len(self._corners)
        return BatchIndices(in_order(index))

    def state(self) -> dict[str, Tensor]:
        return {"corners": self._corners, "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        corners = state["corners"].clone()
        is_alike = corners.shape == self._corners.shape and corners.dtype == self._corners.dtype
        ends = torch.tensor(self._samples.array_shape())
        if not is_alike or not bool(((corners >= 0) & (corners < ends)).all()):
            raise UsageError("state 'corners' is not of the tiles of this signal")
        self._corners, self._next = corners, counter(state, "next")
