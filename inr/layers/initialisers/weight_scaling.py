"""Scaled initial weights.  Yeom et al. 2025 (ICLR), arXiv:2410.04779."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, nn

from inr.core.config import param
from inr.core.samples import Samples
from inr.layers.activations import ActivationConfig
from inr.layers.folding import linears_of
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.initialisers.standard import Matched

PICTURES = 2.5
"""alpha of the authors' pictures. Distances in space are learned with a smaller one (record shape-frequencies)."""


@INITIALISERS.register("weight_scaling")
@dataclass(frozen=True, kw_only=True)
class WeightScaling(InitialiserConfig):
    """W <- alpha W on every linear map but the last, after a base initialiser; biases stay.

    A larger alpha fits faster and interpolates worse between the samples.
    """

    alpha: float | None = param(None, "factor alpha on the weights", gt=0, usual=PICTURES, distances=1.25)
    base: InitialiserConfig = param(Matched(), "initialiser whose weights are scaled")

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        self.base.apply(network, activation, generator)
        for linear in linears_of(network):
            if linear.role != "last":
                linear.assign((self.alpha or PICTURES) * linear.effective()[0].detach())

    def initialise(
        self, network: nn.Module, activation: ActivationConfig, samples: Samples, generator: Generator
    ) -> None:
        self.base.initialise(network, activation, samples, generator)
