"""The jitter slot: noise on the coordinates of a batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Generator, Tensor

from inr.core.config import Config
from inr.core.registry import Registry

JITTERS: Registry[type[JitterConfig]] = Registry("jitter", "inr.fitting.jitters")


class JitterConfig(Config):
    """Settings of a jitter."""

    slot: ClassVar[Registry[type[JitterConfig]]] = JITTERS

    @abstractmethod
    def is_active(self, progress: float) -> bool:
        """Whether anything is added at `progress` in [0, 1]; where not, the batch is left as it is."""

    @abstractmethod
    def apply(self, x: Tensor, progress: float, generator: Generator) -> Tensor:
        """Coordinates [N, D] in the unit box to coordinates in the unit box."""
