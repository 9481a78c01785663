"""A sample of a large picture: squares of it, side by side, which form a small picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Generator, Tensor

from inr.codec.profiles.pyramid.architecture import N_GRIDS, Architecture

PIXELS = 3 << 17
"""About as many as a sample has."""
QUANTISED_ON = 1 << 17
"""About as many the networks' integers are chosen on, if that has to be quick."""
LARGEST_SAMPLE = 1 << 19
"""Pictures of at most so many pixels are their own sample."""
SIDE = 128
"""Rows and columns of a square, or all of them if there are fewer than twice as many."""
ALIGNMENT = 1 << (N_GRIDS - 1)
"""Squares begin at multiples of this many pixels, so that they are whole numbers of latents at every level."""


@dataclass(frozen=True)
class Window:
    """Rows and columns of a picture. It begins at multiples of ALIGNMENT, and ends there or at the picture's edge."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def at(self, level: int) -> tuple[slice, slice]:
        """The rows and columns of its latents."""
        return (
            slice(self.top >> level, -(-self.bottom >> level)),
            slice(self.left >> level, -(-self.right >> level)),
        )

    def wider(self, margin: int, height: int, width: int) -> Window:
        """With a margin on all sides, as far as the picture goes."""
        return Window(
            max(0, self.top - margin),
            max(0, self.left - margin),
            min(height, self.bottom + margin),
            min(width, self.right + margin),
        )


def tiles_of(height: int, width: int, side: int) -> list[Window]:
    """Windows of `side` rows and columns, or fewer at the edges, that cover a picture, row by row."""
    return [
        Window(top, left, min(top + side, height), min(left + side, width))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


@dataclass(frozen=True)
class Sample:
    """rows[i][j]: the windows of a sample, all of one size."""

    rows: Sequence[Sequence[Window]]

    @classmethod
    def drawn(cls, height: int, width: int, generator: Generator, pixels: int | None = None) -> Self:
        """One window from each cell of a lattice over a picture. pixels: about so many; by default PIXELS."""
        h, w = (SIDE if size >= 2 * SIDE else size for size in (height, width))
        count = max(1, (pixels or PIXELS) // (h * w))
        n_rows = min(max(1, round(math.sqrt(count * (height / h) / (width / w)))), height // h, count)
        n_columns = min(max(1, count // n_rows), width // w)

        def start(i: int, n: int, size: int, side: int) -> int:
            free = size / n - side
            return int(i * size / n + free * float(torch.rand((), generator=generator))) // ALIGNMENT * ALIGNMENT

        corners = [
            [(start(i, n_rows, height, h), start(j, n_columns, width, w)) for j in range(n_columns)]
            for i in range(n_rows)
        ]
        return cls([[Window(y, x, y + h, x + w) for y, x in row] for row in corners])

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.rows[0][0].shape
        return len(self.rows) * height, len(self.rows[0]) * width

    def part(
        self, architecture: Architecture, grids: Sequence[Tensor], picture: Tensor
    ) -> tuple[Architecture, list[Tensor], Tensor]:
        """What a pyramid has in the windows, as a small pyramid: architecture, grids, and picture [C, H, W]."""
        height, width = self.shape
        own = [self.joined(partial(_of_level, grid, level)) for level, grid in enumerate(grids)]
        shown = self.joined(lambda window: picture[:, window.top : window.bottom, window.left : window.right])
        return replace(architecture, height=height, width=width), own, shown

    def joined(self, part: Callable[[Window], Tensor]) -> Tensor:
        """What a function returns for the windows [.., h, w], side by side."""
        return torch.cat([torch.cat([part(window) for window in row], -1) for row in self.rows], -2)


def _of_level(grid: Tensor, level: int, window: Window) -> Tensor:
    return grid[window.at(level)]
