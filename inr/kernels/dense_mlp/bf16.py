"""Fully connected networks on the CPU with bf16 products; the backward pass makes each block of points again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._cpu.bf16_network import Bf16Network
from inr.kernels._dispatch import is_functional
from inr.kernels.dense_mlp import reference
from inr.kernels.pointwise import Pointwise


class _Value(torch.autograd.Function):
    """Of x, then the weight and the bias of each layer; an absent bias is None."""

    @staticmethod
    def forward(ctx: Any, activations: Sequence[Pointwise], x: Tensor, *parameters: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.activations = activations
        ctx.network = Bf16Network(*_split(parameters), activations)
        value: Tensor = ctx.network.values(x)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        inputs = ctx.saved_tensors
        wanted = iter(asked(ctx, len(inputs)))  # inputs that are not tensors have no node
        is_wanted = [tensor is not None and next(wanted) for tensor in inputs]
        if torch.is_grad_enabled() or is_functional(g):
            return None, *reference_gradients(
                lambda sources: reference.dense_mlp(sources[0], *_split(sources[1:]), ctx.activations),
                g,
                inputs,
                is_wanted,
            )
        by_x, found = ctx.network.gradients(inputs[0], g, has_x=is_wanted[0])
        return None, *(by if wanted else None for by, wanted in zip((by_x, *found), is_wanted, strict=True))


def _split(parameters: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return parameters[::2], parameters[1::2]


def dense_mlp(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
) -> Tensor:
    """See `inr.kernels.dense_mlp.dense_mlp`."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *layers)]
    return applied(_Value, tuple(activations), *views)
