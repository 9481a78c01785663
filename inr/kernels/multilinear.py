"""Interpolation in one regular grid whose outermost vertices lie on the sides of the unit box, in plain torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from inr.kernels.hash_grid import Interpolation


def multilinear(
    x: Tensor,  # [*B, D] in [0, 1]
    table: Tensor,  # [n_1, ..., n_D, F]
    interpolation: Interpolation = "linear",
) -> Tensor:  # [*B, F]
    """Values of a table of vertices between them, vertex i of n at i / (n - 1) along its axis.

        p_d = x_d (n_d - 1)      c_d = min(floor(p_d), n_d - 2)      t_d = p_d - c_d, or t^2 (3 - 2 t) with "smoothstep"
        y(x) = sum over m in {0, 1}^D of  prod_d (t_d if m_d else 1 - t_d)  table[c + m]

    x outside [0, 1] is clamped, and has no gradient along that axis. n_d >= 2. Any number of axes, any device, any
    order of derivative, any transform; torch's own `grid_sample` has two or three axes and first derivatives.
    """
    indices, weights = corners(x, table.shape[:-1], interpolation)
    values = functional.embedding(indices, table.flatten(0, -2))  # [*B, 2^D, F]
    return (weights.unsqueeze(-2) @ values).squeeze(-2)


def nearest(x: Tensor, table: Tensor) -> Tensor:
    """The value [*B, F] of the vertex nearest to x [*B, D], for a table as in `multilinear`. Its slope is 0."""
    index = nearest_vertex(x, table.shape[:-1]).squeeze(-1)
    values = functional.embedding(index, table.flatten(0, -2))
    return values * (1 + 0 * x.sum(-1, keepdim=True))  # keeps x in the graph, and what is not a number


def nearest_vertex(x: Tensor, sides: Sequence[int]) -> Tensor:
    """Flat index [*B, 1] of the vertex that `nearest` reads."""
    strides = [math.prod(sides[d + 1 :]) for d in range(len(sides))]
    most = x.new_tensor([n - 1 for n in sides])
    vertex = (x.detach().clamp(0, 1) * most).round().nan_to_num(0).long()
    return (vertex * torch.tensor(strides, device=x.device)).sum(-1, keepdim=True)


def inset(x: Tensor, sides: Sequence[int]) -> Tensor:
    """x such that `multilinear` of it is the interpolation of a grid whose vertices are the centres of n equal cells.

    Vertex i of n is then at (i + 1/2) / n. Beyond the outermost vertices the value is theirs.
    """
    n = x.new_tensor(sides)
    return (x * n - 0.5) / (n - 1)


def corners(x: Tensor, sides: Sequence[int], interpolation: Interpolation = "linear") -> tuple[Tensor, Tensor]:
    """Flat indices and weights [*B, 2^D] of the vertices between which `multilinear` interpolates."""
    strides = [math.prod(sides[d + 1 :]) for d in range(len(sides))]
    most = x.new_tensor([n - 1 for n in sides])
    position = x.clamp(0, 1) * most
    cell = torch.minimum(position.detach().floor(), most - 1)
    t = position - cell
    if interpolation == "smoothstep":
        t = t * t * (3 - 2 * t)
    # A coordinate that is not a number reads vertex 0 with a weight that is not a number.
    first = (cell.nan_to_num(0).long() * torch.tensor(strides, device=x.device)).sum(-1)
    ends = (1 - t).unbind(-1), t.unbind(-1)
    weights, indices = [], []
    for corner in product((0, 1), repeat=len(sides)):
        weights.append(reduce(torch.mul, [ends[side][d] for d, side in enumerate(corner)]))
        indices.append(first + sum(stride * side for stride, side in zip(strides, corner, strict=True)))
    return torch.stack(indices, -1), torch.stack(weights, -1)
