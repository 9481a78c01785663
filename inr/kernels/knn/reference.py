"""Nearest neighbours by looking at every centre: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels._dispatch import is_functional

_BLOCK = 1 << 22  # distances held at a time


def knn(
    x: Tensor,  # [N, D]
    centres: Tensor,  # [M, D]
    k: int,
) -> Tensor:  # [N, k]
    """See `inr.kernels.knn.knn`. Any device and dtype, any transform."""
    if is_functional(x):  # a traced number of points is not to be compared with a number of rows
        return _nearest(x, centres, k)
    rows = max(1, _BLOCK // len(centres))
    return torch.cat([_nearest(part, centres, k) for part in torch.split(x, rows)])


def _nearest(x: Tensor, centres: Tensor, k: int) -> Tensor:
    squared = (x[:, None] - centres.detach()).square().sum(-1)
    return squared.topk(k, dim=-1, largest=False).indices
