"""Batches of whole neighbourhoods: the same positions in every patch of a lattice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import in_order, lattice_of, strides_of


@SAMPLERS.register("patches")
@dataclass(frozen=True, kw_only=True)
class Patches(SamplerConfig):
    """The lattice cut into G patches (pictures) or segments (sound); all of them, at P positions in each.

    P is the patch, or as many random positions of it, the same in every patch, as the batch has room for. Along an
    axis of n samples there are ceil(n / side) patches of equal length, which overlap by less than a sample each where
    n does not divide. For transforms that work by groups (`iga`).
    """

    side: int = param(32, "longest side of a patch, in samples", ge=1)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape, order = lattice_of(samples, "patches")
        n_groups = math.prod(math.ceil(n / self.side) for n in shape)
        if n_groups > batch:
            raise UsageError(
                f"sampler 'patches' cuts this signal into {n_groups} patches, but batch is {batch}",
                f"use a larger patch (`fit.sampler.side={2 * self.side}`), or `fit.batch={n_groups}`",
            )
        corners = torch.zeros(1, dtype=torch.int64)
        places = torch.zeros(1, dtype=torch.int64)
        # flat indices are row-major over array axes, so that positions in a patch come in the pool's order
        for d in sorted(range(len(shape)), key=lambda d: order[d]):
            n, stride = shape[d], strides_of(shape, order)[d]
            count = math.ceil(n / self.side)
            length = math.ceil(n / count)
            starts = torch.linspace(0, n - length, count).round().long()
            corners = (corners[:, None] + stride * starts).flatten()
            places = (places[:, None] + stride * torch.arange(length)).flatten()
        return PatchSampler(corners, places, max(1, batch // n_groups), generator)


class PatchSampler(Sampler):
    def __init__(self, corners: Tensor, places: Tensor, n_places: int, generator: Generator) -> None:
        self._corners, self._places, self._generator = corners, places, generator
        self._n_places = min(n_places, len(places))

    def draw(self, state: SamplerState) -> BatchIndices:
        places = self._places
        if self._n_places < len(places):
            places = in_order(places[torch.randperm(len(places), generator=self._generator)[: self._n_places]])
        index = (self._corners[:, None] + places).flatten()
        return BatchIndices(index, groups=(len(self._corners), self._n_places))

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pass
