"""Statements that hold for every op on the grids of a pyramid: of fixed networks, and of shares of the rows."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from inr.kernels import Op, use_backend
from inr.kernels.row_share import RowShare
from inr.testing.kernels import assert_values_and_gradients_agree
from tests.assertions import assert_near, assert_same_bytes


class Problem(Protocol):
    """An op on float64 or float32 inputs, grids first."""

    inputs: list[Tensor]
    share: RowShare

    def of(self, *inputs: Tensor) -> Tensor: ...


def check_fixed_network(backend: str, problem: Problem, n_grids: int) -> None:
    """Gradients by the grids are the same bytes whether or not there are others."""
    found = []
    for n_leaves in (n_grids, len(problem.inputs)):
        inputs = [x.detach().requires_grad_(i < n_leaves) for i, x in enumerate(problem.inputs)]
        with use_backend(backend):
            found.append(torch.autograd.grad(problem.of(*inputs), inputs[:n_grids]))
    for one, other in zip(*found, strict=True):
        assert_same_bytes(one, other)


def check_row_shares(op: Op, backend: str, problem: Problem, n_whole: int, least: float) -> None:
    """A third of the rows gives the reference's gradients; those by the first inputs are those of all rows, the next
    differs by at least this much, and the mean over the thirds is that of all rows."""
    leaves = [tensor.clone().requires_grad_() for tensor in problem.inputs]
    with use_backend(backend):
        expected = torch.autograd.grad(problem.of(*leaves), leaves)
    totals = [torch.zeros_like(tensor) for tensor in leaves]
    for turn in range(3):
        problem.share = RowShare(3, turn)
        if turn == 1:
            assert_values_and_gradients_agree(op, backend, problem.of, problem.inputs)
        with use_backend(backend):
            found = torch.autograd.grad(problem.of(*leaves), leaves)
        for one, all_rows in zip(found[:n_whole], expected[:n_whole], strict=True):
            assert_same_bytes(one, all_rows)
        assert (found[n_whole] - expected[n_whole]).abs().max() > least
        totals = [total + one / 3 for total, one in zip(totals, found, strict=True)]
    for total, all_rows in zip(totals, expected, strict=True):
        assert_near(total, all_rows, 1e-9)
