"""Soft mining: Langevin walkers that go where the error is, and a loss that takes part of that back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.samples import Samples
from inr.fitting._state_checks import array
from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.fitting.samplers.selection import array_shape, cumulated, drawn_from, edge_strength, lattice_of, strides_of

_SMALLEST_ERROR = 2.0**-10
_SMALLEST_EDGE = 1e-5


@SAMPLERS.register("soft_mining")
@dataclass(frozen=True, kw_only=True)
class SoftMining(SamplerConfig):
    """Walkers x <- x + pull grad log e / N + noise N(0, I), looked up at the nearest sample.  Kheradmand et al. 2024.

    e is a walker's squared error, mean over channels, of a batch of N; its gradient is that of the field alone, per
    unit of the range [-1, 1], and x is in the unit box. A part of the batch is uniform instead. Before they move on,
    the walkers with the lowest errors, and those that left the box, start again at samples drawn in proportion to the
    Sobel gradient of the luminance, at least 1e-5 of the largest. Losses are weighted with |error|^-r, r =
    min(step / warmup, alpha), |error| at least 2^-10, weights clamped to [0.2, mean + std]. With weights that only
    partly correct, no PSNR is estimated.

    The paper (NeRF): gradients per pixel; here: per unit of [-1, 1], because EVOS' code for pictures has that. Its code
    divides them by the weights too, which cancel in the paper's; here as in the paper. The paper: |error| is the mean
    of absolute errors over channels; here: the root of e, because that is known already (equal for one channel). The
    paper: zeros outside the picture for Sobel gradients; here: borders are repeated, because they are not edges. The
    paper: gradients of the training step; here: a separate forward and backward pass, because any loss may train.
    """

    pull: float = param(20.0, "factor on the gradient of the logarithm of the error", ge=0)
    noise: float = param(0.02, "standard deviation of a walker's noise, in unit-box lengths", ge=0)
    uniform: float = param(0.1, "part of the batch that is uniform", ge=0, le=1)
    restart: float = param(0.1, "part of the walkers, of lowest error, that start again", ge=0, le=1)
    alpha: float = param(0.6, "final exponent of the correction: 0 mines hard, 1 nearly corrects all", ge=0, le=1)
    warmup: int = param(1000, "steps over which the exponent would rise to 1", ge=1)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        shape, order = lattice_of(samples, "soft_mining")
        return SoftMiningSampler(self, samples, shape, order, min(batch, samples.size), generator)


class SoftMiningSampler(Sampler):
    is_biased: ClassVar[bool] = True

    def __init__(
        self,
        config: SoftMining,
        samples: Samples,
        shape: tuple[int, ...],
        order: tuple[int, ...],
        batch: int,
        generator: Generator,
    ) -> None:
        self._config, self._samples, self._generator = config, samples, generator
        self._counts = torch.tensor(shape)
        self._strides = torch.tensor(strides_of(shape, order))
        self._n_uniform = round(config.uniform * batch)
        strength = edge_strength(samples, array_shape(shape, order))
        self._edges = cumulated(strength.clamp_min(_SMALLEST_EDGE * float(strength.max())))
        self._walkers = torch.rand(batch - self._n_uniform, len(shape), generator=generator)

    def draw(self, state: SamplerState) -> BatchIndices:
        n = len(self._walkers)
        cells = (self._walkers * self._counts).long().clamp(min=0)
        index = (torch.minimum(cells, self._counts - 1) * self._strides).sum(-1)
        uniform = torch.randint(self._samples.size, (self._n_uniform,), generator=self._generator)
        index = torch.cat([index, uniform])
        errors, gradients = state.error_gradients(index)
        weight = self._weight(errors, state.step)
        slopes = gradients / (errors + torch.finfo(errors.dtype).eps)[:, None]
        self._walk(errors[:n], slopes[:n] / (2 * max(len(index), 1)))
        order = index.argsort(stable=True)
        return BatchIndices(index[order], weight[order])

    def _weight(self, errors: Tensor, step: int) -> Tensor:
        exponent = min(step / self._config.warmup, self._config.alpha)
        weight = errors.sqrt().clamp_min(_SMALLEST_ERROR).pow(-exponent)
        most = weight.mean() + (weight.std() if len(weight) > 1 else 0.0)
        return weight.clamp_min(0.2).clamp_max(float(most))

    def _walk(self, errors: Tensor, slopes: Tensor) -> None:
        noise = torch.randn(self._walkers.shape, generator=self._generator)
        moved = self._walkers + self._config.pull * slopes + self._config.noise * noise
        is_lost = ~((moved >= 0) & (moved < 1)).all(-1)
        is_lost[errors.argsort(stable=True)[: round(self._config.restart * len(errors))]] = True
        again = drawn_from(self._edges, int(is_lost.sum()), self._generator)
        moved[is_lost] = self._samples.at(again)[0].to(moved.dtype)
        self._walkers = moved

    def state(self) -> dict[str, Tensor]:
        return {"walkers": self._walkers}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._walkers = array(state, "walkers", self._walkers.shape, self._walkers.dtype, or_empty=False)
