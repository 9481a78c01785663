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

from inr._config import param
from inr._tangent import Factor, Structured, factor, with_ones
from inr.layers._linear import LINEARS, Linear, LinearConfig, Role
from inr.layers.dense import Dense

_GOLDEN = (math.sqrt(5) - 1) / 2


@LINEARS.register("low_rank")
@dataclass(frozen=True, kw_only=True)
class LowRank(LinearConfig):
    """W = U V^T in hidden layers, U [d_out, r] and V [d_in, r] trained; first and last layers stay dense.

    Ordered training (the paper's LoD): each step one layer keeps only its first b columns of U and V, the others are
    whole, so that columns come to stand in order of importance and a trained network can be cut (`truncate`). The paper
    draws layer and b <= r at random; here layers take turns and b runs through a golden-section sequence, as uniform
    and a function of the step alone. U and V start as U' S^(1/2) and V' S^(1/2) of the initialiser's matrix.

    `lasso` adds lasso (|U from column b on| + |V from column b on|), summed over b and layers: the paper's
    hierarchical group lasso, which empties the last columns first (`LowRankLinear.rank_above` counts what is left).
    """

    rank: int | None = param(None, "columns r; none, and what exceeds it: min(d_in, d_out)", ge=1)
    is_ordered: bool = param(True, "train with dropped ranks, in order")
    lasso: float = param(0.0, "weight of the hierarchical group lasso", ge=0)

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
            layer.kept = layer.rank
        if factored and self.is_ordered and step is not None:
            turn, which = divmod(step, len(factored))
            chosen = factored[which]
            chosen.kept = 1 + int(chosen.rank * ((turn + 1) * _GOLDEN % 1.0))


class LowRankLinear(Linear, Structured):
    """rank: columns r. kept: how many of them take part now; all but while a training step is computed."""

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
        """The nearest matrix of rank r: its r largest singular values, shared evenly by both factors."""
        with torch.no_grad():
            u, s, vt = torch.linalg.svd(weight, full_matrices=False)
            root = s[: self.rank].sqrt()
            self.left.copy_(u[:, : self.rank] * root)
            self.right.copy_(vt[: self.rank].T * root)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """df/dU = delta (V^T h)^T, df/dV = h (U^T delta)^T, df/db = delta; with the columns that take part now."""
        (h,) = inputs
        left, right = self.left[:, : self.kept], self.right[:, : self.kept]
        return [
            factor(with_ones(h @ right, self.bias is not None), cotangent=cotangent),
            factor(h, cotangent=cotangent @ left),
        ]

    def rank_above(self, threshold: float) -> int:
        """How many leading columns are needed so that those left out have |U_b| |V_b| <= threshold."""
        with torch.no_grad():
            size = torch.linalg.vector_norm(self.left, dim=0) * torch.linalg.vector_norm(self.right, dim=0)
            large = (size > threshold).nonzero()
        return int(large.max()) + 1 if len(large) else 0


def _tails(factor: Tensor) -> Tensor:
    """Norms [r] of the columns from b on, for every b."""
    squares = factor.square().sum(0)
    return (squares.flip(0).cumsum(0) + 1e-24).sqrt()
