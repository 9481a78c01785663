"""The initialiser slot: sets the parameters of a network by the roles of its linear maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Generator, nn

from inr.core.config import Config
from inr.core.registry import Registry
from inr.core.samples import Samples
from inr.layers.activations import ActivationConfig

INITIALISERS: Registry[type[InitialiserConfig]] = Registry("initialiser", "inr.layers.initialisers")


class InitialiserConfig(Config):
    """Settings of an initialiser."""

    slot: ClassVar[Registry[type[InitialiserConfig]]] = INITIALISERS

    @abstractmethod
    def apply(self, network: nn.Module, activation: ActivationConfig, generator: Generator) -> None:
        """Set the parameters of every linear map inside `network`, in place."""

    def initialise(
        self, network: nn.Module, activation: ActivationConfig, samples: Samples, generator: Generator
    ) -> None:
        """Initialise from the signal, after `apply`. The default does nothing."""
