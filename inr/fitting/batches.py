"""The batches of a run: which samples the sampler draws, fetched, weighted and jittered, on the run's device."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting.distributed import ProcessGroup
from inr.fitting.losses import predict
from inr.fitting.samplers import BatchIndices, SamplerState
from inr.fitting.settings import FitConfig
from inr.signals import Batch, Pool, Signal

_CHUNK = 2**16  # samples per forward pass when a sampler asks for residuals
_INIT_TILES = 64  # of a signal on disk, which a data-dependent initialisation sees
_INIT_SAMPLES = 2**18


@dataclasses.dataclass(frozen=True)
class TrainingBatch:
    """A batch for one step. groups: as in `BatchIndices`. fraction: this process's part of the whole batch."""

    batch: Batch
    groups: tuple[int, int] | None
    fraction: float


class Batches:
    """Draws the batches of a run.

    generators: "order" for the sampler, "loss" for jitter, "pool" for what an initialisation sees of a signal on disk.
    group: the processes that share every batch.
    """

    def __init__(
        self,
        signal: Signal,
        pool: Pool,
        settings: FitConfig,
        generators: Mapping[str, Generator],
        device: torch.device,
        group: ProcessGroup | None,
    ) -> None:
        self._pool, self._device, self._group = pool, device, group
        self._jitter, self._jitter_generator = settings.jitter, generators["loss"]
        self._pool_generator = generators["pool"]
        self._prefetched: tuple[Tensor, Batch] | None = None
        anywhere = signal.training_values if signal.has_values_anywhere else None

        def samples_of(pool: Pool) -> Samples:
            return Samples(signal.spec, pool.size, partial(_values_at, pool), pool.order, signal.tile, anywhere)

        self.samples, self._initial = samples_of(pool), samples_of(signal.initial_pool(pool))
        self.sampler = settings.sampler.build(self.samples, settings.batch, generators["order"])
        self.sampler.to(device)

    def next(self, field: Field, step: int, progress: float) -> TrainingBatch:
        """The batch of step `step`, at `progress` in [0, 1] of the run."""

        def residuals(index: Tensor) -> Tensor:
            return self._residuals(field, index)

        def error_gradients(index: Tensor) -> tuple[Tensor, Tensor]:
            return self._error_gradients(field, index)

        drawn = self.sampler.draw(SamplerState(step, progress, residuals, error_gradients))
        fraction = 1.0
        if self._group is not None:
            drawn, fraction = self._group.shard(drawn)
        return TrainingBatch(self._jittered(self._batch(drawn), progress), drawn.groups, fraction)

    def initial_samples(self) -> Samples:
        """What a data-dependent initialisation sees: `Signal.initial_pool`, or loose points of a signal on disk."""
        if self.samples.tile is None:
            return self._initial
        return self.samples.draw_loose_points(_INIT_TILES, _INIT_SAMPLES, self._pool_generator)

    def is_jittered(self, progress: float) -> bool:
        """Whether coordinates are jittered at `progress` of the run."""
        return self._jitter is not None and self._jitter.is_active(progress)

    def _batch(self, drawn: BatchIndices) -> Batch:
        batch = self._fetched(drawn)
        if drawn.weight is not None:
            weight = drawn.weight.to(self._device).unsqueeze(-1)
            batch = dataclasses.replace(batch, weight=weight if batch.weight is None else batch.weight * weight)
        if drawn.grid is not None:
            x = batch.x.reshape(*drawn.grid, -1)
            axes = tuple(x[..., d].movedim(d, 0).reshape(n, -1)[:, 0] for d, n in enumerate(drawn.grid))
            batch = dataclasses.replace(batch, axes=axes)
        return batch

    def _fetched(self, drawn: BatchIndices) -> Batch:
        prefetch = drawn.prefetch
        if prefetch is None:
            return self._samples_at(drawn.index)
        if self._prefetched is None or self._prefetched[0] is not prefetch:
            self._prefetched = prefetch, self._samples_at(prefetch)
        return self._prefetched[1][drawn.start : drawn.start + len(drawn.index)]

    def _samples_at(self, index: Tensor) -> Batch:
        return self._pool.batch(index.to(self._device)).to(self._device)

    def _jittered(self, batch: Batch, progress: float) -> Batch:
        if self._jitter is None or not self._jitter.is_active(progress):
            return batch
        x = self._jitter.apply(batch.x, progress, self._jitter_generator)
        stencil = None if batch.stencil is None else batch.stencil.moved(x - batch.x)
        return dataclasses.replace(batch, x=x, stencil=stencil, axes=None)

    def _residuals(self, field: Field, index: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [
                (predict(field, batch) - batch.y).cpu()
                for part in torch.split(index, _CHUNK)
                for batch in [self._pool.batch(part).to(self._device)]
            ]
        return torch.cat(parts)

    def _error_gradients(self, field: Field, index: Tensor) -> tuple[Tensor, Tensor]:
        errors, gradients = [], []
        for part in torch.split(index, _CHUNK):
            batch = self._pool.batch(part).to(self._device)
            x = batch.x.detach().requires_grad_()
            error = (field(x) - batch.y).square().mean(-1)
            (gradient,) = torch.autograd.grad(error.sum(), x)
            errors.append(error.detach().cpu())
            gradients.append(gradient.cpu())
        return torch.cat(errors), torch.cat(gradients)


def _values_at(pool: Pool, index: Tensor) -> tuple[Tensor, Tensor]:
    batch = pool.batch(index)
    return batch.x.to(torch.float32), batch.y
