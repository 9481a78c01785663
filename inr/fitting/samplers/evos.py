"""EVOS: evolutionary selection of samples, half fittest and half at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.samples import Samples
from inr.fitting._state_checks import array, indices
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import (
    Growth,
    array_shape,
    count_at,
    grey,
    in_order,
    laplacian,
    lattice_of,
    share_at,
    some_of,
    without,
)

_BYTES = 127.5
"""What one unit of training values, about [-1, 1], is on the scale of bytes."""


@SAMPLERS.register("evos")
@dataclass(frozen=True, kw_only=True)
class Evos(SamplerConfig):
    """Half of a share are the fittest samples, half (the mutation) come at random from the rest.  EVOS, CVPR 2025.

    Fitness is the squared error, mean over channels, measured on all samples every `interval_start` steps at the
    start of a run, falling linearly to every `interval_end`: before each step t = 1, 2, ... with t mod interval = 1.
    A step that measures trains on all samples. With crossover "select" the k fittest are those among the k largest
    both of squared error and of the squared Laplacian of the error of the luminance, 0 outside the picture; then the
    largest of either alone, in the ratio of the means of the squared errors and of `laplacian` times the squared
    Laplacians. `share` grows as `growth` says; the mutation stays at `mutation` of the first share. Its table: SIREN
    3x256, Adam 1e-4 without schedule, share 0.5 constant, or 0.2 with growth "step".

    The paper: an additional loss on Laplacians, weight 1e-5, in the first 1500 steps; here: none, because it is a loss,
    not a choice of samples. The paper: a factor of 1e-5 on Laplacians of bytes, and predictions clipped to the range of
    the picture; here: `laplacian` is 1e-5 127.5^2, because training values are about [-1, 1], and nothing is clipped,
    because samplers see errors only. The paper: all samples in a step that measures; here: as many at random as the
    batch has room for, because that bounds the memory of a step.
    """

    share: float | None = param(0.5, "share of all samples per step, as far as the batch has room", gt=0, le=1)
    growth: Growth = param("constant", "how the share goes towards 1 over the run")
    mutation: float = param(0.5, "part of the first share that is drawn at random", ge=0, le=1)
    interval_start: int = param(100, "steps between measurements at the start of the run", ge=1)
    interval_end: int = param(50, "steps between measurements at its end", ge=1)
    crossover: Literal["select", "none"] = param("select", "whether Laplacians have a say (lattices only)")
    laplacian: float = param(1e-5 * _BYTES**2, "factor on squared Laplacians before their mean is compared", ge=0)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape = None if self.crossover == "none" else array_shape(*lattice_of(samples, "evos"))
        return EvosSampler(self, samples.size, shape, batch, generator)

    def interval(self, progress: float) -> int:
        """Steps between measurements of all errors."""
        return int(self.interval_start + (self.interval_end - self.interval_start) * progress)


class EvosSampler(Sampler):
    is_biased: ClassVar[bool] = True

    def __init__(
        self, config: Evos, size: int, shape: tuple[int, ...] | None, batch: int, generator: Generator
    ) -> None:
        self._config, self._size, self._shape, self._batch, self._generator = config, size, shape, batch, generator
        self._error = torch.zeros(0)
        self._bend = torch.zeros(0)
        self._fittest = torch.zeros(0, dtype=torch.int64)

    def draw(self, state: SamplerState) -> BatchIndices:
        config, share = self._config, self._config.share
        count = count_at(share and share_at(share, config.growth, state.progress), self._size, self._batch)
        n_mutated = round(config.mutation * count_at(share, self._size, self._batch))
        progress = state.progress * (state.step + 1) / max(state.step, 1)  # of this step, counted from 1
        if len(self._error) == 0 or (state.step + 1) % (interval := config.interval(progress)) == 1 % interval:
            self._measure(state)
            self._fittest = self._select(count - n_mutated)
            every = torch.arange(self._size)
            return BatchIndices(in_order(some_of(every, self._batch, self._generator)))
        fittest = self._first(count - n_mutated)
        rest = some_of(without(self._size, fittest), n_mutated, self._generator)
        return BatchIndices(in_order(torch.cat([fittest, rest])))

    def _first(self, k: int) -> Tensor:
        """The k fittest: those of the last measurement, and more by error where the share has grown since."""
        if k > len(self._fittest):
            others = without(self._size, self._fittest)
            more = others[self._error[others].argsort(descending=True, stable=True)]
            self._fittest = torch.cat([self._fittest, more[: k - len(self._fittest)]])
        return self._fittest[:k]

    def _measure(self, state: SamplerState) -> None:
        residual = state.residuals(torch.arange(self._size))
        self._error = residual.square().mean(-1)
        if self._shape is not None:
            bend = laplacian(grey(residual).reshape(*self._shape, -1)).square().mean(-1).flatten()
            self._bend = self._config.laplacian * bend

    def _select(self, k: int) -> Tensor:
        by_error = self._error.argsort(descending=True, stable=True)
        if self._shape is None:
            return by_error[:k]
        by_bend = self._bend.argsort(descending=True, stable=True)
        in_error, in_bend = torch.zeros(2, self._size, dtype=torch.bool)
        in_error[by_error[:k]] = True
        in_bend[by_bend[:k]] = True
        both = (in_error & in_bend).nonzero().flatten()
        total = float(self._error.mean() + self._bend.mean())
        part = float(self._error.mean()) / total if total > 0 else 0.5
        n_error = int(part * (k - len(both)))
        only_error = by_error[:k][~in_bend[by_error[:k]]][:n_error]
        only_bend = by_bend[:k][~in_error[by_bend[:k]]][: k - len(both) - n_error]
        return torch.cat([both, only_error, only_bend])

    def state(self) -> dict[str, Tensor]:
        return {"error": self._error, "bend": self._bend, "fittest": self._fittest}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._error = array(state, "error", (self._size,), torch.float32, or_empty=True)
        is_empty = self._shape is None or len(self._error) == 0
        self._bend = array(state, "bend", (self._size,), torch.float32, or_empty=is_empty)
        self._fittest = indices(state, "fittest", self._size)
