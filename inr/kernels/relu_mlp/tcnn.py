"""The fully fused network of tiny-cuda-nn, in float16 with float32 parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inr.kernels._tcnn_modules import call
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.tcnn_layout import network_config, pack_network


def relu_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """See `inr.kernels.relu_mlp.relu_mlp`. First derivatives, and no biases."""
    widths = MlpShape.of(weights, biases).widths
    return call("Network", (widths[0], widths[-1]), (network_config(widths),), pack_network(weights), x)
