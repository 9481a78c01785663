"""The head slot: last features to training values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from inr.core.config import Config
from inr.core.registry import Registry

HEADS: Registry[type[HeadConfig]] = Registry("head", "inr.layers.heads")


class Head(nn.Module):
    """[*B, C] -> [*B, C], in training values (about [-1, 1]). lipschitz: bound of its slope; None: unknown."""

    __call__: Callable[..., Tensor]
    smoothness: float
    lipschitz: float | None = None

    @abstractmethod
    def forward(self, y: Tensor) -> Tensor: ...


class HeadConfig(Config):
    """Settings of a head."""

    slot: ClassVar[Registry[type[HeadConfig]]] = HEADS

    @abstractmethod
    def build(self) -> Head: ...
