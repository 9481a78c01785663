"""The error on the CPU, compiled by numba: value and all gradients in one pass, by `inr.kernels.pyramid`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.kernels.pyramid import Pyramid
from inr.kernels.pyramid_error._derivatives import Problem, differentiable
from inr.kernels.row_share import ALL, RowShare


def _evaluate(problem: Problem, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, Sequence[Tensor | None]]:
    target, *arrays = [tensor.numpy() for tensor in inputs]
    share = problem.share.of(*target.shape[1:])
    pyramid = Pyramid(*problem.split(arrays))
    value, found = pyramid.error(target, has_grad, share, is_network_fixed=problem.is_network_fixed)
    by: list[Tensor | None] = [torch.from_numpy(array) for array in found]
    return torch.tensor(value, dtype=inputs[0].dtype), by + [None] * (len(arrays) - len(by))


def pyramid_error(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    target: Tensor,
    share: RowShare = ALL,
) -> Tensor:
    """See `inr.kernels.pyramid_error.pyramid_error`."""
    return differentiable(grids, kernels, weights, biases, skip, target, _evaluate, share)
