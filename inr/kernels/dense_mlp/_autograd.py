"""The place of a compiled network in torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._dispatch import is_functional
from inr.kernels.dense_mlp import reference
from inr.kernels.pointwise import Pointwise


class Network(Protocol):
    """A network's shape and parameters in a backend's layout."""

    def values(self, x: Tensor, *, is_kept: bool) -> Tensor:
        """[N, K] -> [N, C]. is_kept: `gradients` of the same points follows."""

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        """From cotangents [N, C]: by x, then by the weight and the bias of each layer; None where not wanted."""


Build = Callable[[Sequence[Tensor], Sequence[Tensor | None], Sequence[Pointwise]], Network]
"""A network from its weights, biases and activations."""


class _Value(torch.autograd.Function):
    """Of x, then the weight and the bias of each layer; an absent bias is None."""

    @staticmethod
    def forward(
        ctx: Any, build: Build, activations: Sequence[Pointwise], x: Tensor, *parameters: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.activations = activations
        network = ctx.network = build(*_split(parameters), activations)
        return network.values(x, is_kept=any(ctx.needs_input_grad))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        inputs = ctx.saved_tensors
        wanted = iter(asked(ctx, len(inputs)))  # inputs that are not tensors have no node
        is_wanted = [tensor is not None and next(wanted) for tensor in inputs]
        if torch.is_grad_enabled() or is_functional(g):
            found = reference_gradients(
                lambda sources: reference.dense_mlp(sources[0], *_split(sources[1:]), ctx.activations),
                g,
                inputs,
                is_wanted,
            )
        else:
            found = ctx.network.gradients(inputs[0], g, is_wanted)
        return None, None, *found


def _split(parameters: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return parameters[::2], parameters[1::2]


def network_value(
    build: Build,
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
) -> Tensor:
    """[N, K] -> [N, C], differentiable to any order: first gradients by the backend, others by the reference."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *layers)]
    value: Tensor = applied(_Value, build, tuple(activations), *views)
    return value
