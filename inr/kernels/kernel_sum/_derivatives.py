"""Derivatives of sums of kernels from two kinds of sums, over kernels for every point and the other way round."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from inr.kernels._autograd import applied, asked, reference_gradients
from inr.kernels._dispatch import is_functional
from inr.kernels.kernel_sum import reference
from inr.kernels.radial import Kernel


class Sums(Protocol):
    """inputs: points, centres, widths and weights."""

    def over_points(self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor | None) -> Tensor:
        """The values [N, C]; with g [N, C] their gradient by the points [N, D]."""

    def over_kernels(
        self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor, with_places: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Gradients by centres, widths and weights; the first two only if `with_places`."""


def differentiable(inputs: tuple[Tensor, ...], kernel: Kernel, sums: Sums) -> Tensor:
    """The values, with first derivatives by the sums and higher ones in plain torch."""
    views = (tensor.view_as(tensor) for tensor in inputs)
    return applied(_Value, *views, kernel, sums)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, p: Tensor, centres: Tensor, widths: Tensor, weights: Tensor, kernel: Kernel, sums: Sums
    ) -> Tensor:
        ctx.save_for_backward(p, centres, widths, weights)
        ctx.kernel, ctx.sums = kernel, sums
        return sums.over_points((p, centres, widths, weights), kernel, None)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        wanted = asked(ctx, 4)
        inputs, sums = ctx.saved_tensors, ctx.sums
        if torch.is_grad_enabled() or is_functional(g):
            by = reference_gradients(
                lambda s: reference.kernel_sum(s[0], s[1], s[2], s[3], ctx.kernel), g, inputs, wanted
            )
            return *by, None, None
        found: tuple[Tensor | None, ...] = None, None, None
        if any(wanted[1:]):
            found = sums.over_kernels(inputs, ctx.kernel, g, wanted[1] or wanted[2])
        by_p = sums.over_points(inputs, ctx.kernel, g) if wanted[0] else None
        gradients = by_p, *found
        return *(grad if is_wanted else None for grad, is_wanted in zip(gradients, wanted, strict=True)), None, None
