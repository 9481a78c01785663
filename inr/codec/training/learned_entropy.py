"""A learned distribution of whole numbers per level: one monotone network each, of the kind of Balle et al. 2018.

Balle et al. 2018, arXiv:1802.01436, section 6.1; in SHACIRA (Girish et al. 2023, arXiv:2309.15848) with two layers, as
here, and one distribution per latent of a vertex for all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

MOST_BITS = 50.0
_LEAST_P = 1e-10


class LearnedEntropy:
    """P(u) = c(u + 1/2) - c(u - 1/2) of K levels, with the distribution function

        c(t) = sigmoid(softplus(h_2) g + b_2),  g = y + tanh(a) tanh(y),  y = softplus(h_1) t + b_1,

    which rises for all values of its five parameters per level. scales: of the distributions at the start, in symbols.
    """

    def __init__(self, scales: Sequence[float]) -> None:
        first = torch.tensor([1.0 / max(scale, 0.1) for scale in scales])
        self.h1 = torch.log(torch.expm1(first))  # softplus(h1) = 1 / scale
        self.h2 = torch.full_like(self.h1, float(torch.tensor(1.0).expm1().log()))  # softplus(h2) = 1
        self.a, self.b1, self.b2 = (torch.zeros_like(self.h1) for _ in range(3))
        for parameter in self.parameters:
            parameter.requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self.h1, self.b1, self.a, self.h2, self.b2]

    def logit(self, t: Tensor, level: int) -> Tensor:
        """That of the distribution function of a level, at t [N]."""
        y = softplus(self.h1[level]) * t + self.b1[level]
        return softplus(self.h2[level]) * (y + self.a[level].tanh() * y.tanh()) + self.b2[level]

    def bits(self, u: Tensor, level: int) -> Tensor:
        """-log2 P(u) [N], at most 50 each. The difference is taken on the side where the sigmoids are small."""
        below, above = self.logit(u - 0.5, level), self.logit(u + 0.5, level)
        sign = 1.0 - 2.0 * (below + above > 0).to(u.dtype)
        p = (torch.sigmoid(sign * above) - torch.sigmoid(sign * below)).abs()
        return -torch.log2(p.clamp(min=_LEAST_P)).clamp(max=MOST_BITS)
