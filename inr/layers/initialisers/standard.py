"""The common initialisers of linear maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, nn

from inr.core.config import param
from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.linear import Linear

STD_WITHIN_TWO = 0.87962566103423978  # of N(0, 1) cut at +-2


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


@INITIALISERS.register("glorot_normal")
@dataclass(frozen=True, kw_only=True)
class GlorotNormal(InitialiserConfig):
    """W with variance 2 / (fan_in + fan_out), normal and cut at two standard deviations; b ~ N(0, bias_std^2).

    It is that of `stax.Dense` in JAX, in which random Fourier features were published.
    """

    bias_std: float = param(0.01, "standard deviation of the biases", ge=0)

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            std = (2.0 / (linear.d_in + linear.d_out)) ** 0.5 / STD_WITHIN_TWO
            weight = torch.empty(linear.d_out, linear.d_in)
            linear.assign(nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator))
            linear.assign_bias(self.bias_std * torch.randn(linear.d_out, generator=generator))


@INITIALISERS.register("kaiming")
@dataclass(frozen=True, kw_only=True)
class Kaiming(InitialiserConfig):
    """W of variance 2 / fan_in, for ReLU: U(+-sqrt(6 / fan_in)), or normal.  He et al. 2015, arXiv:1502.01852."""

    distribution: Literal["uniform", "normal"] = param("uniform", "of the weights", absent="uniform")

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        for linear in linears_of(network):
            if self.distribution == "uniform":
                _assign_uniform(linear, (6.0 / linear.d_in) ** 0.5, generator)
            else:
                weight = torch.randn(linear.d_out, linear.d_in, generator=generator)
                linear.assign((2.0 / linear.d_in) ** 0.5 * weight)


def _assign_uniform(linear: Linear, bound: float, generator: Generator) -> None:
    linear.assign(torch.empty(linear.d_out, linear.d_in).uniform_(-bound, bound, generator=generator))
