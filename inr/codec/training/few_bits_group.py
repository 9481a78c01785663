"""Matrices of a fixed number of bits per entry.  Hoshikawa et al. 2024 (Adaptive Neural Images), arXiv:2405.16807."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.codec.entropy.quantise import StepSize
from inr.codec.training.coded_tensors import CodedTensor
from inr.codec.training.quantised_group import QuantisedGroup, laplace_bits


class FewBitsGroup(QuantisedGroup):
    """Tensors whose symbols are -n ... n for their `largest` n. The largest entry decides the step: max |W| / n.

    They are rounded in every step of training, with a straight-through gradient, as layers `quantized` are in a fit.
    """

    def __init__(self, members: Sequence[tuple[CodedTensor, Tensor]], soap_decay: float | None = None) -> None:
        super().__init__(members, 1.0, soap_decay)
        self.largest = [tensor.largest for tensor in self.tensors]
        self.log_step.requires_grad_(False)
        self._bound = torch.tensor([float(n) for n in self.largest])[self._owner]

    def surrogate(self, noise: Generator | None, done: float) -> tuple[Tensor, Tensor]:
        parts = torch.split(self.theta.detach(), self.sizes)
        steps = [step_of(float(part.abs().max()), n) for part, n in zip(parts, self.largest, strict=True)]
        with torch.no_grad():
            self.log_step.copy_(torch.tensor([math.log2(step.value) for step in steps]))
        step = torch.exp2(self.log_step)[self._owner]
        u = self.theta / step
        u = u + (torch.minimum(torch.maximum(u.round(), -self._bound), self._bound) - u).detach()
        return u * step, laplace_bits(u, torch.exp2(self.log_b)[self._owner]).sum()


def step_of(magnitude: float, n: int) -> StepSize:
    """The least step of a file with which no value of this magnitude is beyond n steps."""
    found = StepSize.near(max(magnitude / n, 2.0**-40))
    while found.value * n < magnitude:
        found = StepSize.near(found.value * (1 + 1 / 128))
    return found
