"""The place of a compiled network in torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._dispatch import is_functional


class Network(Protocol):
    """A network's shape and parameters in a backend's layout."""

    def values(self, x: Tensor, *, is_kept: bool) -> Tensor:
        """[N, K] -> [N, C]; of jets, [S, N, K] -> [S, N, C]. is_kept: `gradients` of the same points follows."""

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        """From cotangents of that shape: by x, then by each parameter; None where not wanted."""


Parameters = Sequence[Tensor | None]
Build = Callable[[Parameters], Network]
"""A network from its parameters; an absent one is None."""
Plain = Callable[[Tensor, Parameters], Tensor]
"""The network by the reference, from points and parameters."""


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, build: Build, plain: Plain, x: Tensor, *parameters: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.plain = plain
        network = ctx.network = build(parameters)
        return network.values(x, is_kept=any(ctx.needs_input_grad))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        inputs = ctx.saved_tensors
        wanted = iter(asked(ctx, len(inputs)))  # inputs that are not tensors have no node
        is_wanted = [tensor is not None and next(wanted) for tensor in inputs]
        if torch.is_grad_enabled() or is_functional(g):
            found = reference_gradients(lambda sources: ctx.plain(sources[0], sources[1:]), g, inputs, is_wanted)
        else:
            found = ctx.network.gradients(inputs[0], g, is_wanted)
        return None, None, *found


def network_value(build: Build, plain: Plain, x: Tensor, parameters: Parameters) -> Tensor:
    """`Network.values` at x, differentiable to any order: first gradients by the backend, others by the reference."""
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *parameters)]
    return applied(_Value, build, plain, *views)
