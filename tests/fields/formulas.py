"""Formulas and distributions that several published families have."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.published import Array, Parameters, TruncatedNormal, Uniform, linear


def dense_network(p: Parameters, h: Array, activation: Callable[[Array], Array], depth: int = 4) -> Array:
    """sigma(W h + b) in `depth` layers, then W h + b."""
    for layer in range(depth):
        h = activation(linear(p, f"body.blocks.{layer}.linear", h))
    return linear(p, "body.last", h)


def relu(z: Array) -> Array:
    return np.maximum(z, 0)


def fourier_features(p: Parameters, x: Array) -> Array:
    """[sin(2 pi B x), cos(2 pi B x)]."""
    angle = 2 * np.pi * x @ p["body.encoding.frequencies"].T
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)


def octaves(x: Array, n: int) -> Array:
    """[u, sin(2^k pi u), cos(2^k pi u)], u = 2 x - 1, k < n."""
    u = 2 * x - 1
    angle = (u[..., None] * (2.0 ** np.arange(n) * np.pi)).reshape(len(x), -1)
    return np.concatenate([u, np.sin(angle), np.cos(angle)], axis=-1)


def symmetric(bound: float) -> Uniform:
    """U(+-bound)."""
    return Uniform(-bound, bound)


def torch_default(fan_in: int) -> Uniform:
    """Of weights and biases of torch.nn.Linear: U(+-1/sqrt(fan_in))."""
    return symmetric(1 / math.sqrt(fan_in))


def glorot_normal(fan_in: int, fan_out: int) -> TruncatedNormal:
    """Of weights of stax.Dense: variance 2 / (fan_in + fan_out), cut at two standard deviations before scaling."""
    return TruncatedNormal(math.sqrt(2 / (fan_in + fan_out)))
