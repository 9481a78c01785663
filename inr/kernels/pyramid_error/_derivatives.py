"""The error as autograd sees it, for backends that compute all gradients with the value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, handed_over
from inr.kernels.pyramid_error import reference
from inr.kernels.row_share import ALL, RowShare

Evaluate = Callable[["Problem", Sequence[Tensor], bool], tuple[Tensor, Sequence[Tensor | None]]]
"""(problem, inputs, whether there are gradients) -> the error, and its gradients by all inputs but the target.

Those by weights, biases and skip may be None if `Problem.is_network_fixed`.
"""


class Problem:
    """How many tensors there are of each kind; they come in the order of the op, the target first.

    is_network_fixed: no gradients by weights, biases and skip.
    """

    is_network_fixed = False

    def __init__(self, n_grids: int, n_layers: int, share: RowShare = ALL) -> None:
        self.n_grids, self.n_layers, self.share = n_grids, n_layers, share

    def split(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any], Sequence[Any], Any]:
        """Grids, kernels, weights, biases and the skip, of the inputs without the target."""
        ends = [self.n_grids, 2 * self.n_grids - 1, 2 * self.n_grids - 1 + self.n_layers]
        return inputs[: ends[0]], inputs[ends[0] : ends[1]], inputs[ends[1] : ends[2]], inputs[ends[2] : -1], inputs[-1]

    def reference(self, inputs: Sequence[Tensor]) -> Tensor:
        return reference.pyramid_error(*self.split(inputs[1:]), inputs[0], self.share)


class _Error(torch.autograd.Function):
    """Of the target, grids, kernels, weights, biases and the skip."""

    @staticmethod
    def forward(ctx: Any, problem: Problem, evaluate: Evaluate, *inputs: Tensor) -> Tensor:
        ctx.problem = problem
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        has_grad = any(ctx.needs_input_grad[3:])
        problem.is_network_fixed = not any(ctx.needs_input_grad[2 + 2 * problem.n_grids :])
        value, found = evaluate(problem, [tensor.detach().contiguous() for tensor in inputs], has_grad)
        ctx.found = [None, *found]
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, *handed_over(ctx, grads[0], ctx.problem.reference, 2)


def differentiable(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    target: Tensor,
    evaluate: Evaluate,
    share: RowShare = ALL,
) -> Tensor:
    """The error; the gradient by the target and higher ones are the reference's."""
    problem = Problem(len(grids), len(weights), share)
    inputs = target, *grids, *kernels, *weights, *biases, skip
    return applied(_Error, problem, evaluate, *inputs)
