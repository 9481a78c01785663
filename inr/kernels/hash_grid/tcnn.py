"""The hash grid of tiny-cuda-nn, in float32. Its sums over points are atomic."""

from __future__ import annotations

from torch import Tensor

from inr.kernels._tcnn_modules import call
from inr.kernels.grid_geometry import GridGeometry, Interpolation
from inr.kernels.tcnn_layout import grid_config


def hash_grid(x: Tensor, table: Tensor, geometry: GridGeometry, interpolation: Interpolation) -> Tensor:
    """See `inr.kernels.hash_grid.hash_grid`. First derivatives."""
    config = grid_config(geometry, table.shape[1], interpolation)
    return call("Encoding", (geometry.d_in,), (config,), table.reshape(-1), x.clamp(0, 1))
