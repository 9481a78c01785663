"""The picture of a pyramid and its error in plain torch: the definition that other backends are measured against."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad, relu

from inr.kernels.row_share import ALL, RowShare, counted


def pyramid_error(
    grids: Sequence[Tensor],  # [H_l, W_l] each
    kernels: Sequence[Tensor],  # [4] each
    weights: Sequence[Tensor],  # [H, L], [C, H], then [C, C, 3, 3] each
    biases: Sequence[Tensor],  # [H], [C], then [C] each
    skip: Tensor,  # [C, L]
    target: Tensor,  # [C, H_0, W_0]
    share: RowShare = ALL,
) -> Tensor:  # scalar
    """See `inr.kernels.pyramid_error.pyramid_error`. Any device and dtype, any order of derivative."""
    return (picture(grids, kernels, weights, biases, skip, share) - target).square().mean()


def picture(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    share: RowShare = ALL,
) -> Tensor:  # [C, H_0, W_0]
    """What the pyramid shows."""
    y = _shared(network, enlarged(grids, kernels), (*weights[:2], *biases[:2], skip), share)
    for i, (weight, bias) in enumerate(zip(weights[2:], biases[2:], strict=True)):
        y = _shared(_filtered, y, (weight, bias), share)
        if i + 3 < len(weights):
            y = relu(y)
    return y


def network(x: Tensor, w1: Tensor, w2: Tensor, b1: Tensor, b2: Tensor, skip: Tensor) -> Tensor:
    """Of x [L, Y, X], each pixel by itself, to [C, Y, X]."""
    h = relu(torch.einsum("hl,lyx->hyx", w1, x) + b1[:, None, None])
    y = torch.einsum("ch,hyx->cyx", w2, h) + b2[:, None, None]
    return y + torch.einsum("cl,lyx->cyx", skip, x)


def _filtered(y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return y + conv2d(pad(y[None], (1, 1, 1, 1), mode="replicate"), weight, bias)[0]


def _shared(layer: Callable[..., Tensor], x: Tensor, parameters: Sequence[Tensor], share: RowShare) -> Tensor:
    """A layer's planes, with gradients by its parameters from a share of the rows."""
    factors = share.factors(x.shape[1], x.shape[2], x)
    if factors is None:
        return layer(x, *parameters)
    fixed = [parameter.detach() for parameter in parameters]
    return counted(layer(x, *fixed), layer(x.detach(), *parameters), factors[:, None])


def enlarged(grids: Sequence[Tensor], kernels: Sequence[Tensor]) -> Tensor:  # [L, H_0, W_0]
    """All grids at the size of the finest one: each step doubles what is there and puts the next finer grid first."""
    x = grids[-1][None]
    for grid, kernel in zip(reversed(grids[:-1]), reversed(kernels), strict=True):
        x = torch.cat([grid[None], _doubled(x, kernel)[:, : grid.shape[0], : grid.shape[1]]])
    return x


def _doubled(x: Tensor, kernel: Tensor) -> Tensor:
    taps = torch.cat([kernel, kernel.flip(0)])
    x = pad(x[None], (2, 2, 2, 2), mode="replicate")[0, :, None]
    x = conv_transpose2d(x, taps[None, None, :, None], stride=(2, 1), padding=(7, 0))
    x = conv_transpose2d(x, taps[None, None, None, :], stride=(1, 2), padding=(0, 7))
    return x[:, 0]
