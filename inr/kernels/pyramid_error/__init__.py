"""The error of the picture that a latent pyramid renders, with all gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.row_share import ALL, RowShare

__all__ = ["OP", "pyramid_error"]

OP = Op(
    name="pyramid_error",
    backends=(
        Backend(
            "reference", priority=0, target="inr.kernels.pyramid_error.reference:pyramid_error", is_functional=True
        ),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.pyramid_error.cpu:pyramid_error",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.pyramid_error.cuda:pyramid_error",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            refuses="inr.kernels.mlp_shape:refused_by_triton",
        ),
    ),
    tolerances={torch.float64: 1e-10, torch.float32: 1e-4},
)


def pyramid_error(
    grids: Sequence[Tensor],  # [H_l, W_l] each, from the finest to the coarsest
    kernels: Sequence[Tensor],  # [4] each, one per step from a grid to the next finer one, the finest step first
    weights: Sequence[Tensor],  # [H, L], [C, H], then [C, C, 3, 3] each
    biases: Sequence[Tensor],  # [H], [C], then [C] each
    skip: Tensor,  # [C, L]
    target: Tensor,  # [C, H_0, W_0]
    share: RowShare = ALL,
) -> Tensor:  # scalar
    """Mean squared difference between a target and the picture of L grids.

    Grids are doubled step by step (all that is coarser at once) by a separable symmetric kernel of 8 taps
    (a, b, c, d, d, c, b, a), a transposed convolution of stride 2 with the edge repeated outside, and cut to the
    finer grid: H_{l+1} = ceil(H_l / 2). The L channels x of a pixel go through

        y = W_2 relu(W_1 x + b_1) + b_2 + V x,    then  y <- y + conv3x3(y)  for each further layer,

    with a relu after every one of these but the last, and the edge repeated outside.
    skip: V. Value and gradients may be computed together. share: of the rows, for the gradients by weights, biases and
    skip alone.
    Source: Ladune et al., COOL-CHIC, 2023, arXiv 2212.05458; Leguay et al. 2023, arXiv 2307.12706.
    """
    shape = MlpShape.of(weights[:2], biases[:2], share=share)
    need = Need.of(*grids, *kernels, *weights, *biases, skip, target, size=target.numel(), shape=shape)
    result: Tensor = OP.choose(need).function(grids, kernels, weights, biases, skip, target, share)
    return result
