"""The activation's initialisation, with biases of 0."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, nn

from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig


@INITIALISERS.register("zero_bias")
@dataclass(frozen=True, kw_only=True)
class ZeroBias(InitialiserConfig):
    """W as in `matched`, b = 0: the default of Haiku and Flax, in which some methods were published."""

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            activation.init_linear(linear, generator)
            linear.assign_bias(torch.zeros(linear.d_out))
