"""Bits of the grids of a latent pyramid, under Laplace models predicted from neighbours decoded before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.row_share import ALL, RowShare

__all__ = ["OP", "context_rate"]

OP = Op(
    name="context_rate",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.context_rate.reference:context_rate", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.context_rate.cpu:context_rate",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.context_rate.cuda:context_rate",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            refuses="inr.kernels.mlp_shape:refused_by_triton",
        ),
    ),
    tolerances={torch.float64: 1e-10, torch.float32: 1e-4},
)


def context_rate(
    grids: Sequence[Tensor],  # [H_l, W_l] each, from the finest to the coarsest
    mixes: Sequence[Tensor],  # [F, L - l] each
    weights: Sequence[Tensor],  # [K, K] each and [2, K] at the end, K = len(offsets) + F
    biases: Sequence[Tensor],  # [K] each and [2] at the end
    skip: Tensor,  # [2, K]
    offsets: Sequence[tuple[int, int]],
    share: RowShare = ALL,
) -> Tensor:  # scalar
    """Bits of L grids whose numbers are coded one after the other, coarse grids first, each in raster order.

    A number y is Laplace distributed: P(y) = F(y + 1/2) - F(y - 1/2) with mean m and scale exp(clamp(s - 4, -5, 5)),
    and costs -log2 max(P, 2^-16). m and s come from K numbers c that are decoded before it,

        h_1 = relu((1 + W_1) c + b_1), ..., (m, s) = W_n h_{n-1} + V c + b_n,

    the neighbours at `offsets` (dy < 0, or dy = 0 and dx < 0; zeros outside) and F mixtures of the coarser grids
    at its place (nearest number) and of a constant: H_{l+1} = ceil(H_l / 2), likewise W.

    grids: float32 or float64. mixes[l]: of the grids l+1, ..., L-1, then of one. weights, biases: W_i, b_i.
    skip: V. offsets: at most 8 away. The network is the same for all grids. share: of the rows, for the gradients by
    weights, biases and skip alone.
    Source: Ladune et al., COOL-CHIC, 2023, arXiv 2212.05458; Leguay et al. 2023, arXiv 2307.12706.
    """
    size, shape = sum(g.numel() for g in grids), MlpShape.of(weights, biases, share=share)
    need = Need.of(*grids, *mixes, *weights, *biases, skip, size=size, shape=shape)
    result: Tensor = OP.choose(need).function(grids, mixes, weights, biases, skip, offsets, share)
    return result
