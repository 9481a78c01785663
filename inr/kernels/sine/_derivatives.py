"""Derivatives of the sine to second order from two passes over memory; higher ones in plain torch.

The cosine is not kept for the backward pass: computing it again costs less than writing and reading it.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from inr.kernels._autograd import applied
from inr.kernels._dispatch import is_functional
from inr.kernels.sine import reference


class Passes(Protocol):
    def value(self, omega: float, z: Tensor) -> Tensor:
        """sin(omega z)."""

    def slope(self, omega: float, z: Tensor, g: Tensor) -> Tensor:
        """omega g cos(omega z)."""


def differentiable(z: Tensor, omega: float, passes: Passes) -> Tensor:
    """sin(omega z), with derivatives of every order."""
    return applied(_Value, z, omega, passes)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, omega: float, passes: Passes) -> Tensor:
        ctx.save_for_backward(z)
        ctx.omega, ctx.passes = omega, passes
        return passes.value(omega, z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,), (z,) = grads, ctx.saved_tensors
        return _derivative(g, z, ctx.omega, ctx.passes), None, None


class _Slope(torch.autograd.Function):
    """omega g cos(omega z)."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, z: Tensor, omega: float, passes: Passes) -> Tensor:
        ctx.save_for_backward(g, z)
        ctx.omega, ctx.passes = omega, passes
        return passes.slope(omega, z, g)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (h,), (g, z), omega, passes = grads, ctx.saved_tensors, ctx.omega, ctx.passes
        by_g, by_z = ctx.needs_input_grad[:2]
        z_grad = None
        if by_z:
            value = reference.sine(z, omega) if is_functional(h) else differentiable(z, omega, passes)
            z_grad = -(omega**2) * (h * g) * value
        return _derivative(h, z, omega, passes) if by_g else None, z_grad, None, None


def _derivative(h: Tensor, z: Tensor, omega: float, passes: Passes) -> Tensor:
    """omega h cos(omega z), differentiably."""
    if is_functional(h):
        return h * (omega * torch.cos(omega * z))
    return applied(_Slope, h, z, omega, passes)
