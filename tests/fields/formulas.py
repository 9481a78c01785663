"""Formulas and distributions that several published families have."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.published import Array, Parameters, Uniform, linear


def dense_network(p: Parameters, h: Array, activation: Callable[[Array], Array], depth: int = 4) -> Array:
    """sigma(W h + b) in `depth` layers, then W h + b."""
    for layer in range(depth):
        h = activation(linear(p, f"body.blocks.{layer}.linear", h))
    return linear(p, "body.last", h)


def torch_default(fan_in: int) -> Uniform:
    """Of weights and biases of torch.nn.Linear: U(+-1/sqrt(fan_in))."""
    return symmetric(1 / math.sqrt(fan_in))


def symmetric(bound: float) -> Uniform:
    """U(+-bound)."""
    return Uniform(-bound, bound)
