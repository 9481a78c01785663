"""Of which rows of a grid the gradients by a network are summed, while those by the grid stay exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1 << 14
"""Grids of fewer numbers always count with all rows."""


@dataclass(frozen=True)
class RowShare:
    """Pairs of rows (2 p, 2 p + 1) with p = turn modulo `every` count `every` times, and no others.

    The mean over all turns is the gradient by all rows. A network has few parameters and a grid many numbers that are
    alike, so a share gives nearly the same gradient for less work.
    """

    every: int = 1
    turn: int = 0

    def of(self, height: int, width: int) -> tuple[int, int]:
        """`every` and `turn` for a grid of this size."""
        return (1, 0) if height * width < LEAST else (self.every, self.turn % self.every)

    def factors(self, height: int, width: int, like: Tensor) -> Tensor | None:  # [H]
        """How often each row counts; None if all count once."""
        every, turn = self.of(height, width)
        if every == 1:
            return None
        pairs = torch.arange(height, device=like.device) // 2
        return every * (pairs % every == turn).to(like.dtype)


ALL = RowShare()
"""All rows."""


def counted(value: Tensor, by_network: Tensor, factors: Tensor) -> Tensor:
    """`value`, with the gradient of `by_network`, each element times its factor, beside its own."""
    return value + factors * (by_network - by_network.detach())
