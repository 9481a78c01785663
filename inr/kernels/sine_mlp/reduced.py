"""The sine network with the products of its hidden layers in bf16: factors are rounded, sums are in float32.

The first layer, whose frequencies need exact coordinates, and the narrow last one stay in float32, and so do the
sines, the weights that are trained, and the sums of their gradients over steps. torch rounds each product's result
to bf16 as well. A fit is finished in float32 (`Run`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from inr.kernels._autograd import applied
from inr.kernels.sine import sine


class _Product(torch.autograd.Function):
    """h w^T."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor) -> Tensor:
        rounded = h.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(*rounded)
        return (rounded[0] @ rounded[1].t()).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        g, (h, weight) = grads[0].bfloat16(), ctx.saved_tensors
        by_h, by_weight = ctx.needs_input_grad
        return (g @ weight).float() if by_h else None, (g.t() @ h).float() if by_weight else None


def sine_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], omegas: Sequence[float]) -> Tensor:
    """See `inr.kernels.sine_mlp.sine_mlp`. First derivatives."""
    h = x
    for i, (weight, bias, omega) in enumerate(zip(weights, biases, omegas, strict=False)):
        if i == 0:
            z = linear(h, weight, bias)
        else:
            z = applied(_Product, h, weight)
            z = z if bias is None else z + bias
        h = sine(z, omega)
    return linear(h, weights[-1], biases[-1])
