"""The error of a fully connected network on the CPU with bf16 products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, handed_over
from inr.kernels._cpu.bf16_network import Bf16Network
from inr.kernels.dense_mlp_loss import reference
from inr.kernels.pointwise import Pointwise


class _Loss(torch.autograd.Function):
    """Of x, y and their weights or None, then the weight and the bias of each layer, absent ones None."""

    @staticmethod
    def forward(
        ctx: Any, power: int, activations: Sequence[Pointwise], x: Tensor, y: Tensor, *rest: Tensor | None
    ) -> Tensor:
        weight, *parameters = rest
        ctx.save_for_backward(x, y, *rest)
        ctx.power, ctx.activations, ctx.found = power, activations, None
        layers: Any = parameters
        network = Bf16Network(layers[::2], layers[1::2], activations)
        if not any(ctx.needs_input_grad):
            return reference.mean_error(network.values(x), y, weight, power)
        loss, by_x, found = network.errors(x, y, weight, power, has_x=ctx.needs_input_grad[2])
        ctx.found = [by_x, None, None, *found]
        return x.new_full((), loss)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        def plain(inputs: Sequence[Any]) -> Tensor:
            x, y, weight, *parameters = inputs
            layers = parameters[::2], parameters[1::2]
            return reference.dense_mlp_loss(x, y, weight, ctx.power, *layers, ctx.activations)

        return None, None, *handed_over(ctx, grads[0], plain, n_others=2)


def dense_mlp_loss(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    power: int,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
) -> Tensor:
    """See `inr.kernels.dense_mlp_loss.dense_mlp_loss`."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    return applied(_Loss, power, tuple(activations), x, y, weight, *layers)
