"""tiny-cuda-nn's flat parameter vectors and JSON settings: their layout. Plain torch; the package is not needed.

A vector holds the network first, then the encoding (bindings `modules.py`, `grid.h`, `fully_fused_mlp.cu` at 6ee3546):

    W_1 [H, K'], W_2 [H, H], ..., W_n [C', H], each row by row; no biases
    rows of the grid's table, level after level, the F features of a row next to each other

K' is K rounded up to whole 16s (and, behind a grid, to whole multiples of lcm(16, F)), C' is C rounded up to whole 16s.
Padded inputs are 0 behind a grid, and 1 for a network without a grid: their columns then act as a bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels.grid_geometry import GridGeometry, Interpolation, from_scale
from inr.kernels.mlp_shape import TCNN_WIDTHS as TCNN_WIDTHS

STEP = 16  # to which sides of matrices are rounded up
GRID_DIMENSIONS = (2, 3, 4)
GRID_FEATURES = (1, 2, 4, 8)
INTERPOLATION_NAMES: dict[Interpolation, str] = {"linear": "Linear", "smoothstep": "Smoothstep"}


def padded(width: int, n_features: int = 1) -> int:
    """The width of a matrix for so many inputs or outputs."""
    step = math.lcm(STEP, n_features)
    return -(-width // step) * step


def network_shapes(widths: Sequence[int], n_features: int = 1) -> list[tuple[int, int]]:
    """The padded shape of every matrix; widths: of inputs, hidden layers and outputs.

    n_features: per level of the grid before the network, 1 without a grid.
    """
    whole = [padded(widths[0], n_features), *widths[1:-1], padded(widths[-1])]
    return [(rows, columns) for columns, rows in pairwise(whole)]


def pack_network(weights: Sequence[Tensor], n_features: int = 1) -> Tensor:
    """Matrices [H_i, H_{i-1}] as one vector, with zeros in padded rows and columns; differentiable."""
    shapes = network_shapes(_widths(weights), n_features)
    tiles = [
        torch.nn.functional.pad(weight, (0, columns - weight.shape[1], 0, rows - weight.shape[0]))
        for weight, (rows, columns) in zip(weights, shapes, strict=True)
    ]
    return torch.cat([tile.reshape(-1) for tile in tiles])


def unpack_network(vector: Tensor, widths: Sequence[int], n_features: int = 1) -> list[Tensor]:
    """The inverse of `pack_network`: matrices [H_i, H_{i-1}], without their padding.

    Raises UsageError for a vector of another length.
    """
    tiles = _tiles(vector, widths, n_features)
    return [tile[:rows, :columns] for tile, (columns, rows) in zip(tiles, pairwise(widths), strict=True)]


def pack(weights: Sequence[Tensor], table: Tensor) -> Tensor:
    """A network over a grid as one vector: matrices [H_i, H_{i-1}], table [T, F]."""
    return torch.cat([pack_network(weights, table.shape[1]), table.reshape(-1)])


def unpack(
    vector: Tensor, widths: Sequence[int], geometry: GridGeometry, n_features: int
) -> tuple[list[Tensor], Tensor]:
    """The inverse of `pack`. Raises UsageError for a vector of another length."""
    entries = geometry.total_entries * n_features
    if len(vector) < entries:
        raise UsageError(f"a grid of {entries} parameters does not fit a vector of {len(vector)}")
    at = len(vector) - entries
    return unpack_network(vector[:at], widths, n_features), vector[at:].view(-1, n_features)


def _widths(weights: Sequence[Tensor]) -> list[int]:
    return [weights[0].shape[1], *(len(weight) for weight in weights)]


def _tiles(vector: Tensor, widths: Sequence[int], n_features: int) -> list[Tensor]:
    shapes = network_shapes(widths, n_features)
    sizes = [rows * columns for rows, columns in shapes]
    if vector.shape != (sum(sizes),):
        raise UsageError(
            f"a network of widths {tuple(widths)} has {sum(sizes)} parameters, and {tuple(vector.shape)} are given"
        )
    return [part.view(shape) for part, shape in zip(torch.split(vector, sizes), shapes, strict=True)]


# -- settings


def network_config(widths: Sequence[int], *, is_fused: bool = True) -> dict[str, Any]:
    """The document of a network of rectified units."""
    return {
        "otype": "FullyFusedMLP" if is_fused else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": widths[1],
        "n_hidden_layers": len(widths) - 2,
    }


def grid_config(geometry: GridGeometry, n_features: int, interpolation: Interpolation) -> dict[str, Any]:
    """The document of a grid. Raises UsageError with every reason for which tiny-cuda-nn has none such."""
    reasons = grid_reasons(geometry, n_features)
    if reasons:
        raise UsageError(f"tiny-cuda-nn has no such grid: {'; '.join(reasons)}")
    return {
        "otype": "HashGrid",
        "n_levels": geometry.n_levels,
        "n_features_per_level": n_features,
        "log2_hashmap_size": log2_table_size(geometry),
        "base_resolution": base_resolution(geometry),
        "per_level_scale": per_level_scale(geometry),
        "interpolation": INTERPOLATION_NAMES[interpolation],
    }


@lru_cache(maxsize=64)
def grid_reasons(geometry: GridGeometry, n_features: int) -> tuple[str, ...]:
    """Why tiny-cuda-nn has no such grid; empty if it has."""
    reasons = []
    if geometry.d_in not in GRID_DIMENSIONS:
        reasons.append(f"its grids have {_listed(GRID_DIMENSIONS)} dimensions, and this has {geometry.d_in}")
    if n_features not in GRID_FEATURES:
        reasons.append(f"its levels have {_listed(GRID_FEATURES)} features, and these have {n_features}")
    if any(len(set(level)) > 1 for level in geometry.resolution):
        reasons.append("its grids have one resolution for all axes, and this has one per axis")
    elif not _is_scaled(geometry):
        reasons.append("its resolutions grow by one factor per level, and these do not")
    return tuple(reasons)


def refused(shape: tuple[GridGeometry, int]) -> list[str]:
    """The same as the dispatcher asks for it."""
    return list(grid_reasons(*shape))


def base_resolution(geometry: GridGeometry) -> int:
    return geometry.resolution[0][0]


def per_level_scale(geometry: GridGeometry) -> float:
    """The factor between the scales of levels, such that float32 arithmetic gives these scales again."""
    if geometry.n_levels == 1:
        return 1.0
    growth = (geometry.scale[-1][0] + 1) / (geometry.scale[0][0] + 1)
    exact = math.pow(growth, 1 / (geometry.n_levels - 1))
    near = np.float32(exact)
    candidates = [exact, *(float(near + step * np.spacing(near)) for step in (0, -1, 1, -2, 2))]
    fitting = [scale for scale in candidates if scale >= 1 and _scaled(geometry, scale) == geometry]
    return fitting[0] if fitting else exact


def log2_table_size(geometry: GridGeometry) -> int:
    """The size at which hashed levels have the entries they have, or, without any, at which none is hashed."""
    hashed = [n for n, is_dense in zip(geometry.entries, geometry.is_dense, strict=True) if not is_dense]
    return (hashed[0] if hashed else max(geometry.entries) - 1).bit_length() - (1 if hashed else 0)


def _scaled(geometry: GridGeometry, scale: float) -> GridGeometry:
    size = max(1, log2_table_size(geometry))
    return from_scale(geometry.d_in, geometry.n_levels, size, base_resolution(geometry), scale)


def _is_scaled(geometry: GridGeometry) -> bool:
    return _scaled(geometry, max(1.0, per_level_scale(geometry))) == geometry


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"
