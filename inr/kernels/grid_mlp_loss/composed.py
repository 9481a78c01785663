"""The error from the kernels of the grid and of the network, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels.hash_grid import GridGeometry, Interpolation, hash_grid
from inr.kernels.relu_mlp import relu_mlp


def grid_mlp_loss(
    x: Tensor,  # [N, D]
    y: Tensor,  # [N, C]
    weight: Tensor | None,  # [N, C] or [N, 1]
    power: int,
    table: Tensor,  # [T, F]
    geometry: GridGeometry,
    interpolation: Interpolation,
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each
    biases: Sequence[Tensor | None],  # [H_i] each
) -> Tensor:  # scalar
    """See `inr.kernels.grid_mlp_loss.grid_mlp_loss`."""
    error = relu_mlp(hash_grid(x, table, geometry, interpolation), weights, biases) - y
    size = error.square() if power == 2 else error.abs()
    return (size if weight is None else size * weight).mean()
