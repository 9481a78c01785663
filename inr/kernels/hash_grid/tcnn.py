"""The hash grid of tiny-cuda-nn, in float32. Its sums over points are atomic."""

from __future__ import annotations

from torch import Tensor

from inr.kernels._tcnn import call
from inr.kernels._tcnn_layout import grid_config
from inr.kernels.hash_grid._geometry import GridGeometry, Interpolation


def hash_grid(x: Tensor, table: Tensor, geometry: GridGeometry, interpolation: Interpolation) -> Tensor:
    """See `inr.kernels.hash_grid.hash_grid`. First derivatives."""
    config = grid_config(geometry, table.shape[1], interpolation)
    return call("Encoding", (geometry.d_in,), (config,), table.reshape(-1), x.clamp(0, 1))
