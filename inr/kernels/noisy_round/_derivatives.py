"""Noisy rounding as autograd sees it, for backends that compute the slope with the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inr.kernels._autograd import applied, tracked
from inr.kernels._dispatch import is_functional
from inr.kernels.noisy_round import reference

Settings = tuple[float, float, int, int, int]
"""Temperature, deviation, seed, step, first."""
Evaluate = Callable[..., tuple[Tensor, Tensor]]
"""(x, *settings) -> the value and its slope by x."""


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, settings: Settings, evaluate: Evaluate) -> Tensor:
        ctx.settings = settings
        value, slope = evaluate(x.detach(), *settings)
        ctx.save_for_backward(x, slope)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,), (x, slope) = grads, ctx.saved_tensors
        if not (torch.is_grad_enabled() or is_functional(g)):
            return g * slope, None, None
        with torch.enable_grad():
            source = tracked(x)
            value = reference.noisy_round(source, *ctx.settings)
            return torch.autograd.grad(value, source, g, create_graph=True)[0], None, None


def differentiable(x: Tensor, settings: Settings, evaluate: Evaluate) -> Tensor:
    """The value; gradients past the first are the reference's."""
    return applied(_Rounded, x, settings, evaluate)
