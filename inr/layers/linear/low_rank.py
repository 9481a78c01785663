"""Factored matrices with ranks in order of importance.

Horvath, Laskaridis, Rajput and Wang 2024, Maestro: Uncovering Low-Rank Structures via Trainable Decomposition (ICML),
arXiv:2308.14929.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.gradient_factors import Factor, HasGradientFactors, factor, with_ones
from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role
from inr.layers.linear.dense import Dense

_GOLDEN = (math.sqrt(5) - 1) / 2


@LINEARS.register("low_rank")
@dataclass(frozen=True, kw_only=True)
class LowRank(LinearConfig):
    """W = U V^T in hidden layers, with trained U [d_out, r] and V [d_in, r]; first and last layers stay dense.

    Ordered training (the paper's LoD): in each step one layer uses only its first b columns of U and V, the other
    layers use all of theirs. Training thus orders the columns by importance, and a trained network can be truncated
    (`truncate`). The paper draws the layer and b <= r at random; here layers take turns and b follows a golden-ratio
    sequence, which is equally uniform and a function of the step alone. U and V start as U' S^(1/2) and V' S^(1/2) of
    the initialiser's matrix.

    With `has_full_pass` every step adds the loss of the whole network to that of the dropped one. In training, columns
    whose importance |U from column b on| |V from column b on| is below `cut_below` are not used; the authors cut them
    after every epoch. Their program has the full pass by default, and as options a lasso of 5e-3 and
    cuts at 1e-5; their example command has no full pass, a lasso of 1e-6, and cuts.

    `lasso` adds lasso (|U from column b on| + |V from column b on|), summed over b and layers: the paper's
    hierarchical group lasso, which empties the last columns first (`LowRankLinear.rank_above` counts the rest).
    """

    rank: int | None = param(None, "columns r, at most min(d_in, d_out), which none means", ge=1)
    is_ordered: bool = param(True, "train with dropped ranks, in order")
    lasso: float = param(0.0, "weight of the hierarchical group lasso", ge=0)
    has_full_pass: bool = param(False, "add the loss of the whole network in every step", absent=False)
    cut_below: float = param(0.0, "importance below which a column is not used in training", ge=0, absent=0.0)

    @property
    def trains_whole_too(self) -> bool:
        return self.has_full_pass

    def build(self, d_in: int, d_out: int, *, has_bias: bool, role: Role, generator: Generator) -> Linear:
        dense = Dense().build(d_in, d_out, has_bias=has_bias, role=role, generator=generator)
        if role != "hidden":
            return dense
        return LowRankLinear(dense, min(self.rank or d_in, d_in, d_out))

    def penalty(self, layers: Sequence[Linear]) -> Tensor | None:
        factored = [layer for layer in layers if isinstance(layer, LowRankLinear)]
        if not factored or self.lasso == 0:
            return None
        norms = [_tails(factor).sum() for layer in factored for factor in (layer.left, layer.right)]
        return self.lasso * torch.stack(norms).sum()

    def at_step(self, layers: Sequence[Linear], step: int | None) -> None:
        factored = [layer for layer in layers if isinstance(layer, LowRankLinear)]
        for layer in factored:
            layer.kept = layer.rank if step is None or self.cut_below == 0 else layer.important(self.cut_below)
        if factored and self.is_ordered and step is not None:
            turn, which = divmod(step, len(factored))
            chosen = factored[which]
            chosen.kept = min(chosen.kept, 1 + int(chosen.kept * ((turn + 1) * _GOLDEN % 1.0)))


class LowRankLinear(Linear, HasGradientFactors):
    """rank: columns r. kept: columns in use; fewer than r only during a training step."""

    def __init__(self, dense: Linear, rank: int) -> None:
        super().__init__()
        self.d_in, self.d_out, self.role = dense.d_in, dense.d_out, dense.role
        self.rank = self.kept = rank
        self.left = nn.Parameter(torch.zeros(self.d_out, rank))
        self.right = nn.Parameter(torch.zeros(self.d_in, rank))
        weight, bias = dense.effective()
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.assign(weight)

    def effective(self) -> tuple[Tensor, Tensor | None]:
        return self.left[:, : self.kept] @ self.right[:, : self.kept].T, self.bias

    def forward(self, h: Tensor) -> Tensor:
        inner = nn.functional.linear(h, self.right[:, : self.kept].T)
        return nn.functional.linear(inner, self.left[:, : self.kept], self.bias)

    def assign(self, weight: Tensor) -> None:
        """Set W to the best rank-r approximation of `weight`; both factors share the singular values equally."""
        with torch.no_grad():
            u, s, vt = torch.linalg.svd(weight, full_matrices=False)
            root = s[: self.rank].sqrt()
            self.left.copy_(u[:, : self.rank] * root)
            self.right.copy_(vt[: self.rank].T * root)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dU = delta (V^T h)^T, df/dV = h (U^T delta)^T, df/db = delta; with the columns in use."""
        (h,) = inputs
        left, right = self.left[:, : self.kept], self.right[:, : self.kept]
        return [
            factor(with_ones(h @ right, self.bias is not None), cotangent=cotangent),
            factor(h, cotangent=cotangent @ left),
        ]

    def important(self, threshold: float) -> int:
        """Number of leading columns b with |U from b on| |V from b on| >= threshold."""
        with torch.no_grad():
            return int((_tails(self.left) * _tails(self.right) >= threshold).sum())

    def rank_above(self, threshold: float) -> int:
        """Smallest number of leading columns such that the remaining ones have |U_b| |V_b| <= threshold."""
        with torch.no_grad():
            size = torch.linalg.vector_norm(self.left, dim=0) * torch.linalg.vector_norm(self.right, dim=0)
            large = (size > threshold).nonzero()
        return int(large.max()) + 1 if len(large) else 0


def _tails(factor: Tensor) -> Tensor:
    """Norms [r] of the columns from b on, for every b."""
    squares = factor.square().sum(0)
    return (squares.flip(0).cumsum(0) + 1e-24).sqrt()
