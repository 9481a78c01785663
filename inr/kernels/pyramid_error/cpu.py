"""The error on the CPU, compiled by numba: value and all gradients in one pass, by `inr.kernels.pyramid`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.kernels.pyramid import Pyramid
from inr.kernels.pyramid_error._derivatives import Problem, differentiable


def _evaluate(problem: Problem, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, list[Tensor]]:
    target, *arrays = [tensor.numpy() for tensor in inputs]
    value, found = Pyramid(*problem.split(arrays)).error(target, has_grad)
    return torch.tensor(value, dtype=inputs[0].dtype), [torch.from_numpy(array) for array in found]


def pyramid_error(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    target: Tensor,
) -> Tensor:
    """See `inr.kernels.pyramid_error.pyramid_error`."""
    return differentiable(grids, kernels, weights, biases, skip, target, _evaluate)
