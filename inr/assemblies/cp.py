"""Sum of products of one-dimensional networks.  Vemuri et al. 2026 (F-INR), arXiv:2503.21507."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Generator, Tensor

from inr.assemblies._assembly import ASSEMBLIES, Assembly
from inr.assemblies._body import BodyPlan
from inr.assemblies._factorised import Factorised, FactorisedConfig, unflattened
from inr.core.config import param


@ASSEMBLIES.register("cp")
@dataclass(frozen=True, kw_only=True)
class CpConfig(FactorisedConfig):
    """y_c(x) = sum_r prod_i phi^i_{r,c}(x_i), r = 1..R: the canonical polyadic decomposition.

    On a product grid each body is evaluated once per coordinate of its axis. A fitted picture is, per channel, a matrix
    of rank at most R.
    """

    rank: int = param(128, "terms R", ge=1, le=65536)

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return self.started(Cp(self.rank, plan, d_in, d_out, generator))


class Cp(Factorised):
    def __init__(self, rank: int, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__(plan, [rank * d_out] * d_in, rank ** (-0.5 / d_in), generator)
        self._shape = (rank, d_out)

    def at_points(self, factors: Sequence[Tensor]) -> Tensor:
        return unflattened(reduce(torch.mul, factors), self._shape).sum(-2)

    def at_products(self, factors: Sequence[Tensor]) -> Tensor:
        parts = [unflattened(f, self._shape).permute(2, 0, 1) for f in factors]  # [C, n_i, R]
        half = len(parts) // 2
        left, right = reduce(_products, parts[:half], None), reduce(_products, parts[half:], None)
        assert right is not None
        y = right.sum(-1) if left is None else left @ right.mT  # [C, ..] or [C, rows, columns]
        return y.reshape(-1, *(len(f) for f in factors)).movedim(0, -1)


def _products(left: Tensor | None, right: Tensor) -> Tensor:
    """[C, a, R] and [C, b, R] to [C, a b, R]."""
    return right if left is None else (left.unsqueeze(2) * right.unsqueeze(1)).flatten(1, 2)
