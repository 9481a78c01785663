"""The integers that say what a latent pyramid is made of; the shape of everything follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

OFFSETS = tuple(
    sorted(
        ((dy, dx) for dy in range(-4, 1) for dx in range(-4, 5) if dy < 0 or dx < 0),
        key=lambda o: (o[0] ** 2 + o[1] ** 2, -o[0], abs(o[1]), o[1]),
    )
)
"""Neighbours that are decoded before a number (dy, dx), the nearest first."""


@dataclass(frozen=True)
class Architecture:
    """height, width, channels: of the picture. n_grids: resolutions, each half of the one before.

    n_neighbours, n_mixtures: what the context model sees of the same grid and of coarser ones. n_hidden: its layers.
    n_features: of the synthesis. n_convolutions: 3x3 layers after it.
    """

    height: int
    width: int
    channels: int
    n_grids: int
    n_neighbours: int
    n_mixtures: int
    n_hidden: int
    n_features: int
    n_convolutions: int

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """[H_l, W_l] of each grid, the finest first."""
        return tuple((-(-self.height >> level), -(-self.width >> level)) for level in range(self.n_grids))

    @property
    def n_latents(self) -> int:
        return sum(h * w for h, w in self.grids)

    @property
    def work(self) -> int:
        """Multiplications to decode the grids and to show them."""
        n_pixels = self.height * self.width
        context = sum(math.prod(shape) for name, shape in self.context.items() if name.startswith("context"))
        synthesis = sum(math.prod(shape) for name, shape in self.synthesis.items() if name.startswith("synthesis"))
        return self.n_latents * (context + self.n_grids * self.n_mixtures) + n_pixels * (synthesis + 11 * self.n_grids)

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        return OFFSETS[: self.n_neighbours]

    @property
    def context(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the context model's tensors by name."""
        k = self.n_neighbours + self.n_mixtures
        shapes: dict[str, tuple[int, ...]] = {
            f"mix{level}": (self.n_mixtures, self.n_grids - level) for level in range(self.n_grids)
        }
        for i in range(self.n_hidden):
            shapes |= {f"context{i}.weight": (k, k), f"context{i}.bias": (k,)}
        i = self.n_hidden
        return shapes | {f"context{i}.weight": (2, k), f"context{i}.bias": (2,), "context.skip": (2, k)}

    @property
    def synthesis(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that turn grids into a picture, by name."""
        shapes: dict[str, tuple[int, ...]] = {f"kernel{level}": (4,) for level in range(self.n_grids - 1)}
        c = self.channels
        layers = [(self.n_features, self.n_grids), (c, self.n_features), *[(c, c, 3, 3)] * self.n_convolutions]
        for i, shape in enumerate(layers):
            shapes |= {f"synthesis{i}.weight": shape, f"synthesis{i}.bias": shape[:1]}
        return shapes | {"synthesis.skip": (c, self.n_grids)}
