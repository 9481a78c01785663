"""Products of matrices from one-dimensional networks.  Vemuri et al. 2026 (F-INR), arXiv:2503.21507; Oseledets 2011."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Generator, Tensor

from inr.assemblies._assembly import ASSEMBLIES, Assembly
from inr.assemblies._body import BodyPlan
from inr.assemblies._factorised import Factorised, FactorisedConfig, unflattened
from inr.core.config import param


@ASSEMBLIES.register("tt")
@dataclass(frozen=True, kw_only=True)
class TtConfig(FactorisedConfig):
    """y(x) = G^1(x_1) G^2(x_2) ... G^D(x_D), with G^1 [1, R], inner [R, R], last [R, C]: the tensor train.

    The standard definition; the paper does not state the layout of channels. An inner body has R^2 outputs.
    """

    rank: int | None = param(None, "rank R; none: 128 for one and two axes, 32 for more", ge=1, le=65536)

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return self.started(Tt(self.rank or (128 if d_in <= 2 else 32), plan, d_in, d_out, generator))


class Tt(Factorised):
    def __init__(self, rank: int, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        ranks = [1] + [rank] * (d_in - 1) + [d_out]
        self._shapes = list(pairwise(ranks))
        super().__init__(plan, [a * b for a, b in self._shapes], rank ** (-0.5 * (d_in - 1) / d_in), generator)

    def _matrices(self, factors: Sequence[Tensor]) -> list[Tensor]:
        return [unflattened(f, shape) for f, shape in zip(factors, self._shapes, strict=True)]

    def at_points(self, factors: Sequence[Tensor]) -> Tensor:
        row, *others = self._matrices(factors)  # [*B, 1, R]
        for matrix in others:
            row = row @ matrix
        return row.squeeze(-2)

    def at_products(self, factors: Sequence[Tensor]) -> Tensor:
        first, *others = self._matrices(factors)
        y = first.flatten(0, 1)  # [rows so far, R]
        for matrix in others:  # [n, R, R'] as [R, n R']
            y = (y @ matrix.movedim(0, 1).flatten(1)).reshape(-1, matrix.shape[-1])
        return y.reshape(*(len(f) for f in factors), -1)
