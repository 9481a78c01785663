"""The common initialisers of linear maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, nn

from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.linear import Linear


@INITIALISERS.register("matched")
@dataclass(frozen=True, kw_only=True)
class Matched(InitialiserConfig):
    """The initialisation of the activation (SIREN's for sine; torch's default if the activation has none)."""

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            activation.init_linear(linear, generator)


@INITIALISERS.register("xavier")
@dataclass(frozen=True, kw_only=True)
class Xavier(InitialiserConfig):
    """W ~ U(+-sqrt(6 / (fan_in + fan_out))).  Glorot and Bengio 2010; used by Instant-NGP's networks."""

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            _assign_uniform(linear, (6.0 / (linear.d_in + linear.d_out)) ** 0.5, generator)


@INITIALISERS.register("kaiming")
@dataclass(frozen=True, kw_only=True)
class Kaiming(InitialiserConfig):
    """W ~ U(+-sqrt(6 / fan_in)), variance 2 / fan_in, for ReLU.  He et al. 2015, arXiv:1502.01852."""

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            _assign_uniform(linear, (6.0 / linear.d_in) ** 0.5, generator)


def _assign_uniform(linear: Linear, bound: float, generator: Generator) -> None:
    linear.assign(torch.empty(linear.d_out, linear.d_in).uniform_(-bound, bound, generator=generator))
