"""Latents that become whole numbers by annealed rounding, with a learned distribution per level.

Girish et al. 2023 (SHACIRA), arXiv:2309.15848; the rounding is that of Yang, Bamler and Mandt 2020, arXiv:2006.04240.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.codec.training.coded_tensors import CodedTensor
from inr.codec.training.learned_entropy import LearnedEntropy
from inr.codec.training.quantised_group import QuantisedGroup

LAST_TEMPERATURE = 0.1
_NEAR = 1e-6


class AnnealedGroup(QuantisedGroup):
    """Tables whose step is 1 and whose values u are drawn between their two nearest whole numbers.

    u~ = floor(u) + w with w = sigmoid((atanh(r) - atanh(1 - r) + l) / tau), where r = u - floor(u), and l is logistic
    noise over tau: the relaxed choice (Gumbel-softmax, temperature tau) between the lower number, of logit
    -atanh(r) / tau, and the upper one, of logit -atanh(1 - r) / tau. tau falls from 1 to 0.1 exponentially over the
    steps with noise; then values are rounded, with a straight-through gradient. Bits are those of u + U(-1/2, 1/2).

    The paper: tanh in place of atanh in its code; here: atanh, because it never draws the far number of a value that is
    whole already. There is one distribution per level here, and one for all levels there.
    """

    def __init__(self, members: Sequence[tuple[CodedTensor, Tensor]]) -> None:
        super().__init__(members, first_step=1.0)
        means = [float(tensor.values.abs().mean()) for tensor in self.tensors]
        self.entropy = LearnedEntropy([max(mean, 0.5) for mean in means])

    @property
    def of_rate(self) -> list[Tensor]:
        return self.entropy.parameters

    def surrogate(self, noise: Generator | None, done: float) -> tuple[Tensor, Tensor]:
        if noise is None:
            used = counted = self.theta + (self.theta.round() - self.theta).detach()
        else:
            used = annealed(self.theta, temperature(done), noise)
            counted = self.theta + (torch.rand(self.theta.shape, generator=noise) - 0.5)
        parts = torch.split(counted, self.sizes)
        return used, torch.stack([self.entropy.bits(part, level).sum() for level, part in enumerate(parts)]).sum()


def temperature(done: float) -> float:
    """tau when a share `done` of the steps with noise is behind: 1 at first, 0.1 at last."""
    return float(LAST_TEMPERATURE ** min(1.0, done))


def annealed(u: Tensor, tau: float, noise: Generator) -> Tensor:
    """Numbers between floor(u) and floor(u) + 1, with the gradient of the choice."""
    low = u.detach().floor()
    r = (u - low).clamp(_NEAR, 1 - _NEAR)
    uniform = torch.rand(u.shape, generator=noise).clamp(_NEAR, 1 - _NEAR)
    choice = (torch.atanh(r) - torch.atanh(1 - r)) / tau + torch.logit(uniform)
    return low + torch.sigmoid(choice / tau)
