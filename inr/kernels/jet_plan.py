"""Which derivatives travel through a network together: the streams of a jet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from inr.core.errors import UsageError

Pair = tuple[int, int, float]


@dataclass(frozen=True)
class JetPlan:
    """Streams of a jet: the value a, then F first derivatives a_i, then Q second ones.

    seconds: stream q is the sum over its terms (i, j, c) of c a_ij, where a_ij is the second derivative along the
    directions of first streams i and j. The Laplacian in two dimensions is ((0, 0, 1.0), (1, 1, 1.0)).
    """

    n_first: int
    seconds: tuple[tuple[Pair, ...], ...] = ()

    def __post_init__(self) -> None:
        used = [axis for terms in self.seconds for i, j, _ in terms for axis in (i, j)]
        if self.n_first < 0 or any(not 0 <= axis < self.n_first for axis in used):
            raise UsageError(f"second derivatives need their first ones: {self.n_first} first streams, {self.seconds}")

    @classmethod
    def laplacian(cls, n_axes: int, weights: Sequence[float] | None = None) -> Self:
        """Value, all first derivatives, and sum_i weights_i a_ii; the weights are 1 by default."""
        factors = [1.0] * n_axes if weights is None else weights
        return cls(n_axes, (tuple((i, i, float(c)) for i, c in enumerate(factors)),))

    @property
    def n_streams(self) -> int:
        return 1 + self.n_first + len(self.seconds)
