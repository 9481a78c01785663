"""The multiresolution hash grid in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from inr.kernels.grid_geometry import PRIMES, GridGeometry, Interpolation


def hash_grid(
    x: Tensor,  # [N, D] in [0, 1]
    table: Tensor,  # [T, F]
    geometry: GridGeometry,
    interpolation: Interpolation,
) -> Tensor:  # [N, L * F]
    """See `inr.kernels.hash_grid.hash_grid`. Any device and dtype, any order of derivative, any transform."""
    indices, weights = corners(x, geometry, interpolation)
    values = functional.embedding(indices, table)  # [N, L, 2^D, F]
    return (weights.to(table.dtype).unsqueeze(-1) * values).sum(-2).flatten(1)


def corners(x: Tensor, geometry: GridGeometry, interpolation: Interpolation) -> tuple[Tensor, Tensor]:
    """Rows of the table and their weights [N, L, 2^D], per level and corner of the cell that holds the point."""
    scale = torch.tensor(geometry.scale, dtype=x.dtype, device=x.device)  # [L, D]
    position = x.clamp(0, 1)[:, None, :] * scale + 0.5  # [N, L, D]
    cell = position.detach().floor()
    fraction = position - cell
    if interpolation == "smoothstep":
        fraction = fraction * fraction * (3 - 2 * fraction)

    # A coordinate that is not a number reads entry 0 with a weight that is not a number.
    cell = cell.nan_to_num(0).long()
    weights, indices = [], []
    for corner in product((0, 1), repeat=geometry.d_in):
        side = torch.tensor(corner, device=x.device)
        weights.append(torch.where(side == 1, fraction, 1 - fraction).prod(-1))
        indices.append(_index(cell + side, geometry))
    return torch.stack(indices, -1), torch.stack(weights, -1)


def _index(
    vertex: Tensor,  # [N, L, D] int64
    geometry: GridGeometry,
) -> Tensor:  # [N, L] rows of the table
    """x-fastest where a level is dense, the exclusive or of 32-bit products where it is hashed.

    64-bit products keep the low 32 bits of the 32-bit ones, and a hashed level has a power of two of entries.
    """
    device = vertex.device
    entries = torch.tensor(geometry.entries, device=device)
    stride = torch.tensor(geometry.stride, device=device)
    dense = (vertex * stride).sum(-1) % entries
    hashed = vertex[..., 0] * PRIMES[0]
    for axis in range(1, geometry.d_in):
        hashed = hashed ^ (vertex[..., axis] * PRIMES[axis])
    index = torch.where(torch.tensor(geometry.is_dense, device=device), dense, hashed & (entries - 1))
    return index + torch.tensor(geometry.offset, device=device)
