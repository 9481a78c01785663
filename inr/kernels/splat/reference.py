"""Sums of Gaussians with bounded support in plain torch: which of them reach a point is found by cells of a grid."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels._dispatch import is_functional

MAX_PAIRS = 1 << 21  # point-and-Gaussian pairs held at a time without gradients
_CELLS = 1 << 18


def splat(
    p: Tensor,  # [N, D]
    centres: Tensor,  # [M, D]
    factors: Tensor,  # [M, D, D] lower triangular, positive on the diagonal
    values: Tensor,  # [M, F]
    size: tuple[float, ...],
    reach: float,
) -> Tensor:  # [N, F]
    """See `inr.kernels.splat.splat`. Any device and dtype, any order of derivative, any transform.

    The sum is over the pairs that share a cell of a grid over the box, so time and memory go with the number of
    Gaussians that reach a point; under torch.func it is over all.
    """
    inverse = torch.linalg.solve_triangular(factors, torch.eye(p.shape[1], dtype=p.dtype, device=p.device), upper=False)
    kernels = torch.cat([centres, inverse.flatten(1)], dim=1)  # [M, D + D^2]
    if is_functional(p, centres, factors, values):
        return _weigh(_square(p[:, None].expand(-1, len(centres), -1), kernels), reach) @ values
    with torch.no_grad():
        extent = reach * factors.square().sum(-1).sqrt()  # half sides [M, D] of the boxes that hold the ellipsoids
        members, first, count, cell = _bins(p, centres, extent, size)
    parts: list[Tensor] = []
    start = 0
    total = count[cell].cumsum(0)
    while start < len(p) or not parts:  # once for no points: the result then still depends on its inputs
        base = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(torch.searchsorted(total, base + MAX_PAIRS, right=True)))
        here = cell[start:stop]
        n_each = count[here]
        point = torch.repeat_interleave(torch.arange(len(here), device=p.device), n_each)
        rank = torch.arange(len(point), device=p.device) - torch.repeat_interleave(n_each.cumsum(0) - n_each, n_each)
        which = members[torch.repeat_interleave(first[here], n_each) + rank]
        with torch.no_grad():
            q = _square(p.index_select(0, start + point), kernels.index_select(0, which))
            near = (q <= reach * reach).nonzero()[:, 0]
        point, which = point[near], which[near]
        q = _square(p.index_select(0, start + point), kernels.index_select(0, which))
        terms = _weigh(q, reach).unsqueeze(-1) * values.index_select(0, which)
        parts.append(torch.zeros(len(here), values.shape[1], dtype=p.dtype, device=p.device).index_add(0, point, terms))
        start = stop
    return torch.cat(parts)


def _square(
    p: Tensor,  # [*B, D]
    kernels: Tensor,  # [*B, D + D^2]: centre, inverse factor
) -> Tensor:  # [*B]
    d = p.shape[-1]
    offset = [p[..., e] - kernels[..., e] for e in range(d)]
    q = torch.zeros_like(offset[0])
    for row in range(d):
        y = kernels[..., d + row * d] * offset[0]
        for e in range(1, row + 1):
            y = y + kernels[..., d + row * d + e] * offset[e]
        q = q + y.square()
    return q


def _weigh(q: Tensor, reach: float) -> Tensor:
    return torch.where(q <= reach * reach, (-0.5 * q).exp(), 0.0)


def _bins(p: Tensor, centres: Tensor, extent: Tensor, size: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The Gaussians of every cell, cell after cell; where a cell's begin, how many it has; the cell of every point.

    Cells are about half as wide as the median Gaussian. Points outside the box belong to the cell at its border.
    """
    box = torch.tensor(size, dtype=p.dtype, device=p.device)
    side = extent.median(0).values if len(extent) else box
    n = (box / side).nan_to_num(1.0).clamp(1, _CELLS ** (1 / len(size))).long()
    stride = torch.cat([n.new_ones(1), n.cumprod(0)[:-1]])

    def at(q: Tensor) -> Tensor:
        return torch.minimum((q / box * n).nan_to_num(0.0).clamp(0, 1e9).long(), n - 1)

    low, high = at(centres - extent), at(centres + extent)
    span = high - low + 1
    n_cells = span.prod(-1)
    owner = torch.repeat_interleave(torch.arange(len(centres), device=p.device), n_cells)
    rank = torch.arange(len(owner), device=p.device) - torch.repeat_interleave(n_cells.cumsum(0) - n_cells, n_cells)
    index = torch.zeros_like(rank)
    for d in range(len(size)):
        index += (low[owner, d] + rank % span[owner, d]) * stride[d]
        rank = rank // span[owner, d]
    order = index.argsort(stable=True)
    count = torch.bincount(index, minlength=int(n.prod()))
    return owner[order], count.cumsum(0) - count, count, (at(p) * stride).sum(-1)
