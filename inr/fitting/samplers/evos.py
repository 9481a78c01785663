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
    in_order,
    laplacian,
    lattice_of,
    share_at,
    some_of,
    without,
)


@SAMPLERS.register("evos")
@dataclass(frozen=True, kw_only=True)
class Evos(SamplerConfig):
    """Half of a share are the fittest samples, half (the mutation) come at random from the rest.  EVOS, CVPR 2025.

    Fitness is the squared error, mean over channels, measured on all samples every `interval_start` steps at the
    start of a run, falling linearly to every `interval_end`: before each step t = 1, 2, ... with t mod interval = 1.
    With crossover "select" the k fittest are those among the k largest both of squared error and of the error's
    squared Laplacian, then the largest of either alone, in the ratio of the two maps' means. The paper's additional
    loss on Laplacians (weight 1e-5, first 1500 steps) is a loss and not part of this. Its table: SIREN 3x256, Adam
    1e-4 without schedule, share 0.5 constant, or 0.2 with growth "step".
    """

    share: float | None = param(0.5, "share of all samples per step, as far as the batch has room", gt=0, le=1)
    growth: Growth = param("constant", "how the share goes towards 1 over the run")
    mutation: float = param(0.5, "part of the batch that is drawn at random", ge=0, le=1)
    interval_start: int = param(100, "steps between measurements at the start of the run", ge=1)
    interval_end: int = param(50, "steps between measurements at its end", ge=1)
    crossover: Literal["select", "none"] = param("select", "whether Laplacians have a say (lattices only)")

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape = None if self.crossover == "none" else array_shape(*lattice_of(samples, "evos"))
        return EvosSampler(self, samples.size, shape, batch, generator)

    def interval(self, progress: float) -> int:
        """Steps between measurements of all errors."""
        return round(self.interval_start + (self.interval_end - self.interval_start) * progress)


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
        config = self._config
        share = None if config.share is None else share_at(config.share, config.growth, state.progress)
        count = count_at(share, self._size, self._batch)
        n_fittest = count - round(config.mutation * count)
        interval = config.interval(state.progress)
        is_due = len(self._error) == 0 or (state.step + 1) % interval == 1 % interval
        if is_due:
            self._measure(state)
        if is_due or len(self._fittest) != n_fittest:
            self._fittest = self._select(n_fittest)
        rest = some_of(without(self._size, self._fittest), count - n_fittest, self._generator)
        return BatchIndices(in_order(torch.cat([self._fittest, rest])))

    def _measure(self, state: SamplerState) -> None:
        residual = state.residuals(torch.arange(self._size))
        self._error = residual.square().mean(-1)
        if self._shape is not None:
            self._bend = laplacian(residual.reshape(*self._shape, -1)).square().mean(-1).flatten()

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
        n_error = round(part * (k - len(both)))
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
