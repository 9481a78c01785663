"""A grid and the network behind it that start from the signal itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, nn

from inr.layers.activations import ActivationConfig
from inr.layers.initialisers._base import INITIALISERS, InitialiserConfig
from inr.layers.initialisers.standard import Xavier


@INITIALISERS.register("signal")
@dataclass(frozen=True, kw_only=True)
class FromSignal(InitialiserConfig):
    """A dense grid starts at a lattice's samples or their least-squares fit, the network at the map that reads them.

    The field then starts at a high quality (`start_from_samples`, `read_through`). For grids with a vertex on every
    sample, or with one level and as many features as values, on ReLU networks with at least two units per value and a
    linear head. Of signed distances, one dense level of any grid starts from the values at its vertices
    (`start_from_vertices`). Elsewhere, and for signals that are read tile by tile, it is `xavier`.
    """

    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        Xavier().apply(network, activation, generator)
