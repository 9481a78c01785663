"""The level of a coded shape: its output bias, set so that the right number of samples is inside.

A small network rounds the ridge that a distance function has inside a thin solid. Its values there are a little too
high or too low, so the solid loses or gains volume. A constant added to all values corrects this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from inr.codec.entropy.quantise import Quantised, StepSize
from inr.codec.training.coded_tensors import CodedTensor
from inr.fields import Field
from inr.signals import Pool, Signal

STEP = StepSize.near(2.0**-18)
"""Of the bias, in unit-box lengths."""

_SAMPLES = 2**17
_PROBES, _SHIFT, _TOLERANCE = 8, 2.0**-6, 1e-4


@dataclasses.dataclass(frozen=True)
class Level:
    """The bias of a field and samples x [N, 3] off the surface, of which n_inside are inside the solid."""

    field: Field
    bias: CodedTensor
    x: Tensor
    n_inside: int

    @classmethod
    def of(cls, signal: Signal, field: Field, parts: Sequence[CodedTensor], pool: Pool) -> Self | None:
        """None for other signals than shapes, and for fields whose last tensor is not a bias of all values."""
        if not signal.spec.has_distances or not parts:
            return None
        bias = parts[-1]
        if bias.is_exact or bias.is_table or bias.values.numel() != 1:
            return None
        batch = pool.batch(torch.randperm(pool.size, generator=Generator().manual_seed(0))[:_SAMPLES])
        y = batch.y[:, 0]
        x, n_inside = batch.x[y != 0], int((y < 0).sum())
        level = cls(field, bias, x, n_inside)
        return level if 0 < n_inside < len(x) and level._shifts_all_values() else None

    def corrected(self, quantised: Sequence[Quantised]) -> list[Quantised]:
        """The tensors with the right bias. The field holds `quantised` before the call, and the returned tensors after
        it."""
        order = self._values(self.x).sort().values
        level = float(order[self.n_inside - 1 : self.n_inside + 1].double().mean())
        symbol = round((quantised[-1].values().item() - level) / STEP.value)
        symbols = quantised[-1].symbols * 0 + min(max(symbol, -(2**20)), 2**20)
        own = [*quantised[:-1], Quantised(symbols, STEP)]
        self.bias.assign(own[-1])
        return own

    def _shifts_all_values(self) -> bool:
        """Whether a constant added to the bias is added to every value."""
        kept, x = self.bias.values.clone(), self.x[:_PROBES]
        before = self._values(x)
        self.bias.values.add_(_SHIFT)
        after = self._values(x)
        self.bias.values.copy_(kept)
        return bool(((after - before - _SHIFT).abs() < _TOLERANCE).all())

    def _values(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.field(part)[:, 0] for part in torch.split(x, 2**16)])
