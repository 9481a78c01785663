"""Latents of a picture by linear filters: where their training starts if the networks are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad, unfold

from inr.codec.profiles.pyramid.architecture import N_GRIDS, Architecture, synthesis_of
from inr.kernels.pyramid import Pyramid

SIDES = (5, 5, 5, 5, 3, 3, 3)
"""Sides of the filters by level."""
SWEEPS = 4
FINE, SHRINKAGE = 3, 0.15
"""Latents of this many of the finest grids are brought nearer to zero by so much at the end, which saves bits."""
RIDGE, SCARCITY = 1e-3, 30.0
"""Regularisation of the fit: this part of the mean energy of a filter's inputs, more if there are few latents."""


@dataclass(frozen=True)
class Analysis:
    """filters[s][l]: weights of sweep s and level l, for the C k k numbers that a filter sees, then for one.

    A sweep renders the rounded latents, averages what is left of the picture over squares of 2^l x 2^l pixels, and
    adds the filters' outputs to the latents of all levels at once.
    """

    filters: Sequence[Sequence[Tensor]]

    @staticmethod
    def sizes(channels: int) -> list[int]:
        """Numbers of weights by level."""
        return [channels * side * side + 1 for side in SIDES]

    @classmethod
    def fitted(
        cls,
        architecture: Architecture,
        values: Mapping[str, Tensor],
        picture: Tensor,
        latents: Sequence[Tensor],
        sweeps: int = SWEEPS,
    ) -> Self:
        """The filters that predict given latents of a picture [C, H, W], by regularised least squares."""
        assert architecture.n_grids == N_GRIDS
        grids = [torch.zeros(shape) for shape in architecture.grids]
        filters: list[list[Tensor]] = []
        for _ in range(sweeps):
            left = _left(architecture, values, picture, grids)
            filters.append([])
            for level, (grid, found) in enumerate(zip(grids, latents, strict=True)):
                side = SIDES[level]
                inputs = unfold(_padded(left[level], side), side)[0]
                inputs = torch.cat([inputs, torch.ones(1, inputs.shape[1])])
                wanted = (found - grid.round()).flatten()
                gram = (inputs @ inputs.T).double()
                ridge = RIDGE * float(gram.diagonal()[:-1].mean()) * (1 + SCARCITY * len(gram) / inputs.shape[1])
                gram.diagonal().add_(max(ridge, 1e-12))
                weights = torch.linalg.solve(gram, (inputs @ wanted).double()).float()
                filters[-1].append(weights)
                grids[level] = grid.round() + (weights @ inputs).view(grid.shape)
        return cls(filters)

    def latents(self, architecture: Architecture, values: Mapping[str, Tensor], picture: Tensor) -> list[Tensor]:
        """Latents, not rounded, of a picture [C, H, W]."""
        grids = [torch.zeros(shape) for shape in architecture.grids]
        for filters in self.filters:
            left = _left(architecture, values, picture, grids)
            for level, weights in enumerate(filters):
                side = SIDES[level]
                kernel = weights[:-1].view(1, len(picture), side, side)
                grids[level] = grids[level].round() + conv2d(_padded(left[level], side), kernel, weights[-1:])[0, 0]
        for grid in grids[:FINE]:
            grid.copy_(grid.sign() * (grid.abs() - SHRINKAGE).clamp_min(0))
        return grids


def _left(
    architecture: Architecture, values: Mapping[str, Tensor], picture: Tensor, grids: Sequence[Tensor]
) -> list[Tensor]:
    """What the rounded latents leave of a picture, at the resolution of every grid."""
    arrays = {name: value.detach().cpu().numpy() for name, value in values.items()}
    shown = Pyramid([grid.round().numpy() for grid in grids], *synthesis_of(architecture, arrays)).picture()
    left = [picture - torch.from_numpy(shown)]
    for _ in grids[1:]:
        left.append(avg_pool2d(left[-1], 2, ceil_mode=True))
    return left


def _padded(picture: Tensor, side: int) -> Tensor:
    """A picture [1, C, H + side - 1, W + side - 1] with its edge repeated."""
    return pad(picture[None], (side // 2,) * 4, mode="replicate")
