"""The error on the CPU, compiled by numba: value and all gradients, worked out together by `inr.kernels._pyramid`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import handed_over
from inr.kernels._pyramid import Pyramid
from inr.kernels.pyramid_error import reference


class _Problem:
    """How many tensors there are of each kind; they come in the order of the op, the target first."""

    def __init__(self, n_grids: int, n_layers: int) -> None:
        self.n_grids, self.n_layers = n_grids, n_layers

    def split(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any], Sequence[Any], Any]:
        """Grids, kernels, weights, biases and the skip, of the inputs without the target."""
        ends = [self.n_grids, 2 * self.n_grids - 1, 2 * self.n_grids - 1 + self.n_layers]
        return inputs[: ends[0]], inputs[ends[0] : ends[1]], inputs[ends[1] : ends[2]], inputs[ends[2] : -1], inputs[-1]

    def reference(self, inputs: Sequence[Tensor]) -> Tensor:
        return reference.pyramid_error(*self.split(inputs[1:]), inputs[0])

    def evaluate(self, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, list[Tensor]]:
        """The error, and its gradients by all inputs but the target."""
        target, *arrays = [tensor.detach().contiguous().numpy() for tensor in inputs]
        value, found = Pyramid(*self.split(arrays)).error(target, has_grad)
        return torch.tensor(value, dtype=inputs[0].dtype), [torch.from_numpy(array) for array in found]


class _Error(torch.autograd.Function):
    """Of the target, grids, kernels, weights, biases and the skip."""

    @staticmethod
    def forward(ctx: Any, problem: _Problem, *inputs: Tensor) -> Tensor:
        ctx.problem = problem
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        value, found = problem.evaluate(inputs, has_grad=any(ctx.needs_input_grad[2:]))
        ctx.found = [None, *found]
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, *handed_over(ctx, grads[0], ctx.problem.reference)


def pyramid_error(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    target: Tensor,
) -> Tensor:
    """See `inr.kernels.pyramid_error.pyramid_error`."""
    problem = _Problem(len(grids), len(weights))
    value: Tensor = _Error.apply(problem, target, *grids, *kernels, *weights, *biases, skip)  # type: ignore[no-untyped-call]
    return value
