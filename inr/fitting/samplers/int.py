"""INT: the samples with the largest errors, as a nonparametric teacher picks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.samples import Samples
from inr.fitting._state_checks import counter, indices
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import Growth, count_at, in_order, share_at


@SAMPLERS.register("int")
@dataclass(frozen=True, kw_only=True)
class Int(SamplerConfig):
    """The k samples with the largest sum_c |f - y|, k a share of all.  Zhang et al. 2024 (ICML), "INT".

    `dense` measures all errors before every step; `incremental` does so before every step for the first quarter of
    the run, then at multiples of 10, 20, 30, 40 and 50 steps, each for a fifth of what is left, and keeps its choice
    between. It works on any pool. Loss values are those of the hardest samples, so no PSNR is estimated from them.
    """

    mode: Literal["dense", "incremental"] = param("dense", "when all errors are measured")
    share: float | None = param(0.2, "share of all samples per step, as far as the batch has room", gt=0, le=1)
    growth: Growth = param("constant", "how the share goes towards 1 over the run")

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        return IntSampler(self, samples.size, batch)

    def interval(self, progress: float) -> int:
        """Steps between measurements of all errors."""
        if self.mode == "dense" or progress < 0.25:
            return 1
        return 10 * (1 + min(4, int((progress - 0.25) / 0.15)))


class IntSampler(Sampler):
    is_biased: ClassVar[bool] = True

    def __init__(self, config: Int, size: int, batch: int) -> None:
        self._config, self._size, self._batch = config, size, batch
        self._hardest = torch.zeros(0, dtype=torch.int64)
        self._measured = -1

    def draw(self, state: SamplerState) -> BatchIndices:
        if self._measured < 0 or state.step % self._config.interval(state.progress) == 0:
            error = state.residuals(torch.arange(self._size)).abs().sum(-1)
            share = self._config.share
            share = None if share is None else share_at(share, self._config.growth, state.progress)
            hardest = error.argsort(descending=True, stable=True)[: count_at(share, self._size, self._batch)]
            self._hardest, self._measured = in_order(hardest), state.step
        return BatchIndices(self._hardest)

    def state(self) -> dict[str, Tensor]:
        return {"hardest": self._hardest, "measured": torch.tensor(self._measured)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._hardest = indices(state, "hardest", self._size)[: self._batch]
        self._measured = counter(state, "measured")
