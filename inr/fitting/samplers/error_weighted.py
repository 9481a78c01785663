"""Samples drawn in proportion to their error, with weights that keep the gradient unbiased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.samples import Samples
from inr.fitting._state_checks import array, counter
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import cumulated, drawn_from


@SAMPLERS.register("error_weighted")
@dataclass(frozen=True, kw_only=True)
class ErrorWeighted(SamplerConfig):
    """p_i = (1 - uniform) |e_i|^power / sum |e|^power + uniform / N, loss weights 1 / (N p_i).

    Importance sampling (Zhao and Zhang 2015, arXiv:1401.2753; Katharopoulos and Fleuret 2018, arXiv:1803.00942): the
    weighted loss is on average that of all N samples, and no weight exceeds 1 / uniform. Samples are drawn with
    replacement; |e| is the root mean square over channels, measured every `interval` steps with a forward pass over
    all samples. It works on any pool.
    """

    uniform: float = param(0.5, "share of the uniform part of the probability", gt=0, le=1)
    power: float = param(1.0, "exponent of the error", ge=0)
    interval: int = param(100, "steps between measurements of all errors", ge=1)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        return ErrorWeightedSampler(self, samples.size, batch, generator)


class ErrorWeightedSampler(Sampler):
    def __init__(self, config: ErrorWeighted, size: int, batch: int, generator: Generator) -> None:
        self._config, self._size, self._batch, self._generator = config, size, min(batch, size), generator
        self._probability = torch.zeros(0)
        self._measured = -1

    def draw(self, state: SamplerState) -> BatchIndices:
        if self._measured < 0 or state.step - self._measured >= self._config.interval:
            error = state.errors(torch.arange(self._size)).double().pow(self._config.power / 2)
            uniform = torch.full((self._size,), 1 / self._size, dtype=torch.float64)
            mean = error.sum()
            error = error / mean if float(mean) > 0 else uniform
            self._probability = (1 - self._config.uniform) * error + self._config.uniform * uniform
            self._measured = state.step
        index = drawn_from(cumulated(self._probability), self._batch, self._generator).sort().values
        return BatchIndices(index, (1 / (self._size * self._probability[index])).float())

    def state(self) -> dict[str, Tensor]:
        return {"probability": self._probability, "measured": torch.tensor(self._measured)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._measured = counter(state, "measured")
        self._probability = array(state, "probability", (self._size,), torch.float64, or_empty=self._measured < 0)
