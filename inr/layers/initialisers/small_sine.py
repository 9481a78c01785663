"""F-INR's initialisation of sine networks.  Vemuri et al. 2026, arXiv:2503.21507."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, nn

from inr.core.config import param
from inr.layers.activations import ActivationConfig
from inr.layers.activations.sine import Sine
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.initialisers.standard import Matched


@INITIALISERS.register("small_sine")
@dataclass(frozen=True, kw_only=True)
class SmallSine(InitialiserConfig):
    """SIREN's, but hidden and last W ~ U(+-sqrt(6/fan_in)/divisor) whatever omega is, and biases 0.

    With divisor 100 under sin(30 z), as in F-INR's code, the hidden layers are nearly linear at first. Networks of
    other activations start as with `matched`.
    """

    divisor: float = param(100.0, "what sqrt(6 / fan_in) is divided by", gt=0)

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        Matched().apply(network, activation, generator)
        if not isinstance(activation, Sine):
            return
        for linear in linears_of(network):
            linear.assign_bias(torch.zeros(linear.d_out))
            if linear.role in ("hidden", "last"):
                bound = math.sqrt(6 / linear.d_in) / self.divisor
                linear.assign(torch.empty(linear.d_out, linear.d_in).uniform_(-bound, bound, generator=generator))
