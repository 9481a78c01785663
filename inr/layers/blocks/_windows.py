"""Gaussian windows around many centres, computed with one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def window_map(
    centres: Tensor,  # [K, d]
    sharpness: Tensor,  # [K], or [K, d]
) -> tuple[Tensor, Tensor]:
    """Matrix and bias of the exponents -sum_d s_kd (h_d - c_kd)^2 / 2, which are linear in [h, |h|^2]: [K, d + 1], [K].

    They are s_k c_k.h - s_k |h|^2 / 2 - s_k |c_k|^2 / 2; with an s per feature, in [h, h^2]: [K, 2 d], [K].
    """
    if sharpness.ndim == 1:
        sharpness = sharpness.unsqueeze(-1)
    return torch.cat([sharpness * centres, -0.5 * sharpness], dim=-1), -0.5 * (sharpness * centres.square()).sum(-1)


def windows(
    h: Tensor,  # [*B, d]
    centres: Tensor,  # [K, d]
    sharpness: Tensor,  # [K], or [K, d]
) -> Tensor:  # [*B, K]
    """exp(-sum_d s_kd (h_d - c_kd)^2 / 2), with one s_k for all d if there is one per centre.

    With `window_map` the function and its gradients pass over the [*B, K] values once, not once per term.
    """
    squares = h.square()
    if sharpness.ndim == 1:
        squares = squares.sum(-1, keepdim=True)
    return torch.exp(functional.linear(torch.cat([h, squares], dim=-1), *window_map(centres, sharpness)))
