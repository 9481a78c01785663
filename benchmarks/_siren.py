"""SIREN in plain torch, as in the paper: the baseline for the fast paths."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn

from inr.fitting import Fit, FitConfig
from inr.signals import Signal

OMEGA = 30.0


class PlainSiren(nn.Module):
    """sin(30 (W x + b)) three times, 256 wide, then linear; coordinates of the unit box are mapped to [-1, 1]."""

    def __init__(self, d_in: int, d_out: int, width: int = 256, depth: int = 3) -> None:
        super().__init__()
        generator = Generator().manual_seed(0)
        sizes = [d_in, *[width] * depth, d_out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            bound = 1 / layer.in_features if i == 0 else math.sqrt(6 / layer.in_features) / OMEGA
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for layer in self.layers[:-1]:
            x = torch.sin(OMEGA * layer(x))
        result: Tensor = self.layers[-1](x)
        return result


class PlainRun:
    """Adam at 1e-4 on random batches; the interface of a `Run` for `time_to_quality.py`."""

    def __init__(self, signal: Signal, batch: int = 2**14) -> None:
        self.signal, self.batch = signal, batch
        self.field = PlainSiren(signal.spec.d_in, signal.spec.d_out)
        self.optimizer = torch.optim.Adam(self.field.parameters(), lr=1e-4)
        self.pool = signal.pool(Generator().manual_seed(0))
        self.generator = Generator().manual_seed(1)
        self.step, self.seconds = 0, 0.0

    def advance(self, *, should_stop: Callable[[], bool]) -> str:
        before, start = self.seconds, time.perf_counter()
        while not should_stop():
            self.train_step()
            self.seconds = before + time.perf_counter() - start
        return "interrupted"

    def train_step(self) -> None:
        batch = self.pool.batch(torch.randint(self.pool.size, (self.batch,), generator=self.generator))
        self.optimizer.zero_grad(set_to_none=True)
        (self.field(batch.x) - batch.y).square().mean().backward()
        self.optimizer.step()
        self.step += 1

    def result(self, outcome: Any = "done", *, with_metrics: bool = False) -> Fit:
        signal = self.signal
        field: Any = self.field
        return Fit(field, signal.spec, signal.frame, signal.meta, FitConfig(), steps=self.step)
