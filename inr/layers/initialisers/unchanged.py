"""The initialiser that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, nn

from inr.layers.activations import ActivationConfig
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig


@INITIALISERS.register("unchanged", was="own")
@dataclass(frozen=True, kw_only=True)
class Unchanged(InitialiserConfig):
    """Keep the values drawn on construction: by the block's own rule, else torch's U(+-1/sqrt(fan_in))."""

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        pass
