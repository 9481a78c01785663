"""The place of a compiled chain of dense layers in torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from inr.kernels._network import Network, Parameters, network_value
from inr.kernels.dense_mlp import reference
from inr.kernels.pointwise import Pointwise

Build = Callable[[Sequence[Tensor], Sequence[Tensor | None], Sequence[Pointwise]], Network]
"""A network from its weights, biases and activations."""


def dense_value(
    build: Build,
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
) -> Tensor:
    """[N, K] -> [N, C]. The order of the parameters is: weight and bias of each layer."""
    functions = tuple(activations)

    def made(layers: Sequence[Any]) -> Network:
        return build(layers[::2], layers[1::2], functions)

    def plain(points: Tensor, layers: Sequence[Any]) -> Tensor:
        return reference.dense_mlp(points, layers[::2], layers[1::2], functions)

    parameters: Parameters = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    return network_value(made, plain, x, parameters)
