"""The rate as autograd sees it, for backends that compute all gradients with the value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, handed_over
from inr.kernels.context_rate import reference
from inr.kernels.row_share import ALL, RowShare

Evaluate = Callable[["Problem", Sequence[Tensor], bool], tuple[Tensor, Sequence[Tensor | None]]]
"""(problem, inputs, whether there are gradients) -> the bits, and their gradients by every input.

Those by the network may be None if `Problem.is_network_fixed`.
"""


class Problem:
    """The arguments of the op except the tensors. is_network_fixed: no gradients by weights, biases and skip."""

    is_network_fixed = False

    def __init__(self, n_grids: int, n_layers: int, offsets: Sequence[tuple[int, int]], share: RowShare = ALL) -> None:
        self.n_grids, self.n_layers, self.share = n_grids, n_layers, share
        self.offsets = tuple((int(dy), int(dx)) for dy, dx in offsets)

    def split(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any], Sequence[Any], Any]:
        """Grids, mixes, weights, biases and the skip."""
        ends = [self.n_grids, 2 * self.n_grids, 2 * self.n_grids + self.n_layers]
        return inputs[: ends[0]], inputs[ends[0] : ends[1]], inputs[ends[1] : ends[2]], inputs[ends[2] : -1], inputs[-1]

    def reference(self, inputs: Sequence[Any]) -> Tensor:
        return reference.context_rate(*self.split(inputs), self.offsets, self.share)


class _Rate(torch.autograd.Function):
    """Of the grids, mixes, weights, biases and the skip."""

    @staticmethod
    def forward(ctx: Any, problem: Problem, evaluate: Evaluate, *inputs: Tensor) -> Tensor:
        ctx.problem = problem
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        has_grad = any(ctx.needs_input_grad[2:])
        problem.is_network_fixed = not any(ctx.needs_input_grad[2 + 2 * problem.n_grids :])
        value, ctx.found = evaluate(problem, [tensor.detach().contiguous() for tensor in inputs], has_grad)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, *handed_over(ctx, grads[0], ctx.problem.reference, 2)


def differentiable(
    grids: Sequence[Tensor],
    mixes: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    offsets: Sequence[tuple[int, int]],
    evaluate: Evaluate,
    share: RowShare = ALL,
) -> Tensor:
    """The bits; gradients past the first are the reference's."""
    problem = Problem(len(grids), len(weights), offsets, share)
    return applied(_Rate, problem, evaluate, *grids, *mixes, *weights, *biases, skip)
