"""A grid and the network behind it that start from the signal's own samples."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, nn

from inr.layers.activations import ActivationConfig
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.initialisers.standard import Xavier


@INITIALISERS.register("signal")
@dataclass(frozen=True, kw_only=True)
class FromSignal(InitialiserConfig):
    """A grid with a vertex on every sample of a lattice holds the samples, and the network starts as the map of them.

    The field then starts at a high quality (`start_from_samples`, `read_through`). For grid encodings whose finest
    level is dense and as fine as the signal, on ReLU networks with at least two units per value, and a linear head.
    Elsewhere, and for signals that are read tile by tile, it is `xavier`.
    """

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        Xavier().apply(network, activation, generator)
