"""The sampler slot: which of a signal's samples the next step sees."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import Config
from inr.core.registry import Registry
from inr.core.samples import Samples

SAMPLERS: Registry[type[SamplerConfig]] = Registry("sampler", "inr.fitting.samplers")


@dataclasses.dataclass(frozen=True)
class SamplerState:
    """What a sampler may know when it draws.

    step: steps done. progress: share of the run that is done, in [0, 1]. residuals: flat indices [n] to f(x) - y
    [n, C] of the field now, which costs a forward pass. error_gradients: flat indices [n] to the squared error, mean
    over channels [n], and its coordinate gradient with y held [n, D], which costs a forward and a backward pass.
    """

    step: int
    progress: float
    residuals: Callable[[Tensor], Tensor]
    error_gradients: Callable[[Tensor], tuple[Tensor, Tensor]]

    def errors(self, index: Tensor) -> Tensor:
        """Squared errors at flat indices [n], mean over channels [n]."""
        return self.residuals(index).square().mean(-1)


@dataclasses.dataclass(frozen=True)
class BatchIndices:
    """A batch, by flat indices [n] into the samples.

    weight: loss weights [n], or None for ones. grid: where the batch is a product of coordinates, its shape in
    coordinate order (index is then row-major over it), so that a field may evaluate it by axes. groups: (G, P) where
    the batch is G groups of P neighbours, one group after the other and the same positions in each. prefetch: where
    several draws are known ahead, the indices of all of them; this draw's begin at `start`. Fetching their samples
    together is faster than batch by batch, because they are then in the cache.
    """

    index: Tensor
    weight: Tensor | None = None
    grid: tuple[int, ...] | None = None
    groups: tuple[int, int] | None = None
    prefetch: Tensor | None = None
    start: int = 0


class Sampler(ABC):
    """`state` and `restore` make a resumed run exact.

    is_biased: a batch's weighted loss is not on average that of all samples, so no PSNR is estimated from it.
    """

    is_biased: ClassVar[bool] = False

    def to(self, device: torch.device) -> None:
        """Draw on a device from now on, where the sampler supports it; the samples are the same."""
        return

    @abstractmethod
    def draw(self, state: SamplerState) -> BatchIndices: ...

    @abstractmethod
    def state(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


class SamplerConfig(Config):
    """Settings of a sampler. reads_tiles: whether its batches touch few blocks of a signal that is read from disk."""

    reads_tiles: ClassVar[bool] = False

    slot: ClassVar[Registry[type[SamplerConfig]]] = SAMPLERS

    @abstractmethod
    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        """A sampler of `batch` samples a step. Raises UsageError for samples that it cannot handle."""
