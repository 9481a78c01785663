"""The ReLU network on the CPU: the autograd function around `_cpu/relu_network`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._cpu.relu_network import ReluNetwork
from inr.kernels._dispatch import is_functional
from inr.kernels.relu_mlp import reference


class _Value(torch.autograd.Function):
    """Of x, then the weight and the bias of each layer; an absent bias is None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.network = ReluNetwork(*_split(parameters))
        value: Tensor
        value, ctx.kept = ctx.network.values(x, is_kept=any(ctx.needs_input_grad))
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        inputs = ctx.saved_tensors
        found = iter(asked(ctx, len(inputs)))  # absent biases have no node
        is_wanted = tuple(tensor is not None and next(found) for tensor in inputs)
        if torch.is_grad_enabled() or is_functional(g):
            return reference_gradients(_reference, g, inputs, is_wanted)
        return tuple(ctx.network.gradients(inputs[0], g, ctx.kept, is_wanted))


def _reference(inputs: Sequence[Any]) -> Tensor:
    return reference.relu_mlp(inputs[0], *_split(inputs[1:]))


def _split(parameters: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return parameters[::2], parameters[1::2]


def relu_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """See `inr.kernels.relu_mlp.relu_mlp`."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *layers)]
    return applied(_Value, *views)
