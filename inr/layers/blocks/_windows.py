"""Gaussian windows around many centres, computed with one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def windows(
    h: Tensor,  # [*B, d]
    centres: Tensor,  # [K, d]
    sharpness: Tensor,  # [K], or [K, d]
) -> Tensor:  # [*B, K]
    """exp(-sum_d s_kd (h_d - c_kd)^2 / 2), with one s_k for all d if there is one per centre.

    The exponent is linear in [h, |h|^2]: s_k c_k.h - s_k |h|^2 / 2 - s_k |c_k|^2 / 2, or in [h, h^2] with an s per
    feature. In this form the function and its gradients pass over the [*B, K] values once, not once per term.
    """
    squares = h.square()
    if sharpness.ndim == 1:
        sharpness, squares = sharpness.unsqueeze(-1), squares.sum(-1, keepdim=True)
    weight = torch.cat([sharpness * centres, -0.5 * sharpness], dim=-1)
    bias = -0.5 * (sharpness * centres.square()).sum(-1)
    return torch.exp(functional.linear(torch.cat([h, squares], dim=-1), weight, bias))
