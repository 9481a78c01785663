"""The activation slot: an elementwise function and the initialisation that belongs to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Generator, Tensor, nn

from inr.core.config import Config
from inr.core.registry import Registry
from inr.kernels.pointwise import Pointwise
from inr.layers.linear import Linear, Role

ACTIVATIONS: Registry[type[ActivationConfig]] = Registry("activation", "inr.layers.activations")


class Activation(nn.Module):
    """z [*B, arity H] -> sigma(z) [*B, H]. smoothness: as in `Encoding`.

    arity: linear branches per unit; z holds them one after another, H numbers each.
    slope: smallest and largest derivative; None: unknown.
    """

    __call__: Callable[..., Tensor]
    smoothness: float
    arity: int = 1
    slope: tuple[float, float] | None = None

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor: ...

    def pointwise(self) -> Pointwise | None:
        """This function, in its present mode, for kernels of whole networks; None if they do not know it."""
        return None


class ActivationConfig(Config):
    """Settings of an activation."""

    slot: ClassVar[Registry[type[ActivationConfig]]] = ACTIVATIONS

    @abstractmethod
    def build(self, role: Role, width: int) -> Activation: ...

    def features(self, width: int) -> int:
        """Real features of a layer that a paper calls `width` wide (complex units take two each)."""
        return width

    def init_linear(self, linear: Linear, generator: Generator) -> None:
        """Initialise a linear map before this activation (role "last": the output layer after the last one).

        The default leaves torch's U(+-1/sqrt(fan_in)).
        """
