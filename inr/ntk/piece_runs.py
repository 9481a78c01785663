"""Rehearsals of a whole run on pieces of the signal: all steps, with its optimizer and schedule.

Every sample of the pieces is seen as often as in the fit itself, so rates, optimizers and schedules act as they do
there. With few samples per step of the whole signal (`thin_runs`) sounds with short runs hardly learn. But a field has
room for a piece that it does not have for the whole, so pieces say nothing of the field's frequencies and size.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.fitting import FitConfig, resolve
from inr.fitting.samplers import BatchIndices, Sampler, SamplerConfig, SamplerState
from inr.ntk.rehearsal import UNLIMITED_STEPS
from inr.signals import Signal
from inr.workflows.fit import FitPlan

WINDOWS = 4
LEAST_SAMPLES, LEAST_BATCH = 16, 4
SEED = 7
"""Of the places of the windows."""


def rehearse_piece(
    signal: Signal,
    config: FieldConfig,
    settings: FitConfig,
    samples: Samples,
    share: float,
    device: torch.device | None = None,
) -> float:
    """What a run leaves of pieces with `share` of a lattice's samples, over their energy, in dB; inf if it diverges.

    Batches are that share of the run's. Raises as `Run` does.
    """
    config, settings = resolve(signal, config, settings)
    steps = UNLIMITED_STEPS if settings.steps is None else settings.steps
    batch = max(LEAST_BATCH, round(share * min(settings.batch, samples.size)))
    whole = dataclasses.replace(
        settings, time_s=None, target_psnr_db=None, track_ntk=None, steps=steps, rounds=1, batch=batch,
        sampler=_Pieces(share=share),
    )  # fmt: skip
    run = FitPlan(signal, config, whole, device).begin()
    while run.step < steps:
        if not math.isfinite(run.take_step()):
            return math.inf
    x, y = samples.at(pieces(samples, share))
    field = run.field if run.average is None else run.average
    with torch.no_grad():
        residual = field.eval()(x.to(next(field.parameters()).device)).cpu().double() - y
    left = float(residual.square().sum()) / float((y.double() - y.double().mean(0)).square().sum().clamp_min(1e-300))
    return 10 * math.log10(max(left, 1e-12)) if math.isfinite(left) else math.inf


def pieces(samples: Samples, share: float) -> Tensor:
    """Flat indices, ascending, of WINDOWS windows of a lattice at random places, with `share` of its samples."""
    assert samples.order is not None
    assert samples.spec.shape is not None
    shape = [0] * len(samples.order)
    for d, axis in enumerate(samples.order):
        shape[axis] = samples.spec.shape[d]
    side = (share / WINDOWS) ** (1 / len(shape))
    least = LEAST_SAMPLES ** (1 / len(shape))
    sides = [min(n, max(math.ceil(least), round(side * n))) for n in shape]
    generator = Generator().manual_seed(SEED)
    flat = torch.arange(math.prod(shape)).reshape(shape)
    is_chosen = torch.zeros(math.prod(shape), dtype=torch.bool)
    for i in range(WINDOWS):
        window = flat
        for axis, (n, width) in enumerate(zip(shape, sides, strict=True)):
            # along the first axis each window has a part of its own
            low, high = (i * n // WINDOWS, (i + 1) * n // WINDOWS) if axis == 0 else (0, n)
            room = max(1, high - low - width + 1)
            start = min(low + int(torch.randint(room, (1,), generator=generator)), n - width)
            window = window.narrow(axis, start, width)
        is_chosen[window.reshape(-1)] = True
    return is_chosen.nonzero()[:, 0]


@dataclass(frozen=True, kw_only=True)
class _Pieces(SamplerConfig):
    """Shuffled batches of the samples in `pieces`. Not registered: it is for rehearsals only."""

    share: float = param(0.1, "of the samples", gt=0)

    def build(self, samples: Samples, batch: int, generator: Generator) -> Sampler:
        return _PiecesSampler(pieces(samples, self.share), batch, generator)


class _PiecesSampler(Sampler):
    def __init__(self, index: Tensor, batch: int, generator: Generator) -> None:
        self._index, self._batch, self._generator = index, min(batch, len(index)), generator
        self._order, self._next = torch.arange(len(index)), 0

    def draw(self, state: SamplerState) -> BatchIndices:
        n = len(self._index)
        if self._batch == n:
            return BatchIndices(self._index)
        if self._next == 0 or self._next + self._batch > n:
            self._order, self._next = torch.randperm(n, generator=self._generator), 0
        part = self._order[self._next : self._next + self._batch].sort().values
        self._next += self._batch
        return BatchIndices(self._index[part])

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pass
