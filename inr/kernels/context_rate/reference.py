"""The rate in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from inr.kernels.row_share import ALL, RowShare, counted

LEAST = 2.0**-16
"""No probability is taken to be smaller: what a symbol costs at most is 16 bits."""
SHIFT, SPREAD = 4.0, 5.0


def context_rate(
    grids: Sequence[Tensor],  # [H_l, W_l] each, from the finest to the coarsest
    mixes: Sequence[Tensor],  # [F, L - l] each: of the coarser grids, then of one
    weights: Sequence[Tensor],  # [K, K] each and [2, K] at the end, K = len(offsets) + F
    biases: Sequence[Tensor],  # [K] each and [2] at the end
    skip: Tensor,  # [2, K]
    offsets: Sequence[tuple[int, int]],
    share: RowShare = ALL,
) -> Tensor:  # scalar
    """See `inr.kernels.context_rate.context_rate`. Any device and dtype, any order of derivative."""
    total = grids[0].new_zeros(())
    for level, (grid, mix) in enumerate(zip(grids, mixes, strict=True)):
        context, network = _context(grids, level, mix, offsets), (weights, biases, skip)
        factors = share.factors(grid.shape[0], grid.shape[1], grid)
        if factors is None:
            mean, log_scale = predicted(context, *network)
        else:
            fixed = [x.detach() for x in weights], [x.detach() for x in biases], skip.detach()
            each = factors.repeat_interleave(grid.shape[1])
            pairs = zip(predicted(context, *fixed), predicted(context.detach(), *network), strict=True)
            mean, log_scale = (counted(value, by_network, each) for value, by_network in pairs)
        total = total + bits(grid.flatten(), mean, log_scale).sum()
    return total


def bits(y: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """-log2 of what a Laplace density has between y - 1/2 and y + 1/2."""
    scale = torch.exp((log_scale - SHIFT).clamp(-SPREAD, SPREAD))
    distance = (y - mean).abs()
    return -torch.log2(_mass(distance, scale).clamp_min(LEAST))


def _mass(distance: Tensor, scale: Tensor) -> Tensor:
    near = 1 - torch.exp(-0.5 / scale) * torch.cosh(torch.minimum(distance, distance.new_tensor(0.5)) / scale)
    far = torch.exp(-distance.clamp_min(0.5) / scale) * torch.sinh(0.5 / scale)
    return torch.where(distance < 0.5, near, far)


def _context(grids: Sequence[Tensor], level: int, mix: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:  # [K, N]
    grid = grids[level]
    height, width = grid.shape
    reach = max(max(-dy, abs(dx)) for dy, dx in offsets)
    padded = pad(grid, (reach, reach, reach, 0))
    near = [padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width].flatten() for dy, dx in offsets]
    far = mix[:, -1:, None].expand(-1, height, width)
    if level + 1 < len(grids):
        shape = grids[level + 1].shape
        coarser = torch.stack([_enlarged(g, k, shape) for k, g in enumerate(grids[level + 1 :])])
        mixed = torch.einsum("fk,khw->fhw", mix[:, :-1], coarser)
        far = far + _enlarged(mixed, 1, (height, width))
    return torch.cat([torch.stack(near), far.flatten(1)])


def _enlarged(x: Tensor, octaves: int, shape: Sequence[int]) -> Tensor:
    """Every number repeated 2^octaves times along the last two axes, cut to a shape."""
    for axis in (-2, -1):
        x = x.repeat_interleave(2**octaves, axis)
    return x[..., : shape[0], : shape[1]]


def predicted(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], skip: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-scale [N] each of numbers by what is known of them, x [K, N]."""
    h = x
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        h = relu(weight @ h + h + bias[:, None])
    mean, log_scale = weights[-1] @ h + skip @ x + biases[-1][:, None]
    return mean, log_scale
