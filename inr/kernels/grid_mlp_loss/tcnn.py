"""The error of tiny-cuda-nn's network over its grid, both in float16 with float32 parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._tcnn_modules import call
from inr.kernels.hash_grid import GridGeometry, Interpolation
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.tcnn_layout import grid_config, network_config, pack


def grid_mlp_loss(
    x: Tensor,  # [N, D]
    y: Tensor,  # [N, C]
    weight: Tensor | None,  # [N, C] or [N, 1]
    power: int,
    table: Tensor,  # [T, F]
    geometry: GridGeometry,
    interpolation: Interpolation,
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each
    biases: Sequence[Tensor | None],
) -> Tensor:  # scalar
    """See `inr.kernels.grid_mlp_loss.grid_mlp_loss`. First derivatives, and no biases."""
    widths = MlpShape.of(weights, biases).widths
    configs = grid_config(geometry, table.shape[1], interpolation), network_config(widths)
    dims = geometry.d_in, widths[-1]
    error = call("NetworkWithInputEncoding", dims, configs, pack(weights, table), x.clamp(0, 1)) - y
    size = error.square() if power == 2 else error.abs()
    return (size if weight is None else size * weight).mean()
