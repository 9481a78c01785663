"""Gaussian windows around many centres, computed with one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def windows(
    h: Tensor,  # [*B, d]
    centres: Tensor,  # [K, d]
    sharpness: Tensor,  # [K]
) -> Tensor:  # [*B, K]
    """exp(-s_k |h - c_k|^2 / 2).

    The exponent is linear in [h, |h|^2]: s_k c_k.h - s_k |h|^2 / 2 - s_k |c_k|^2 / 2. In this form the function
    and its gradients pass over the [*B, K] values once, not once per term.
    """
    scaled = sharpness.unsqueeze(-1)
    weight = torch.cat([scaled * centres, -0.5 * scaled], dim=-1)
    bias = -0.5 * sharpness * centres.square().sum(-1)
    extended = torch.cat([h, h.square().sum(-1, keepdim=True)], dim=-1)
    return torch.exp(functional.linear(extended, weight, bias))
