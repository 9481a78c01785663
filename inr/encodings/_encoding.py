"""The encoding slot: coordinates in the unit box to features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Generator, Tensor, nn

from inr._config import Config
from inr._registry import Registry

ENCODINGS: Registry[type[EncodingConfig]] = Registry("encoding", "inr.encodings")


class Encoding(nn.Module):
    """x [*B, D] in [0, 1]^D -> e [*B, d_out].

    smoothness: largest k for which k-th coordinate derivatives are meaningful to a loss (math.inf: all).
    outside: what happens beyond the unit box: "clamp", "wrap" or "extend" (the formula simply goes on).
    pad_value: what a missing column would hold in tiny-cuda-nn's padded layout (1 or 0).
    role: marks the parameters for the optimizer.
    lipschitz: a bound of |e(x) - e(y)| / |x - y| in the 2-norm; None: not known.
    """

    __call__: Callable[..., Tensor]
    d_out: int
    smoothness: float
    outside: str
    pad_value: float = 1.0
    role: str = "encoding"
    lipschitz: float | None = None

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def weighted(
        self,
        x: Tensor,  # [N, D]
        weights: Tensor,  # [d_out, C]
    ) -> Tensor:  # [N, C]
        """e @ weights, which an encoding of many features may know without having e in memory."""
        return self(x) @ weights


class EncodingConfig(Config):
    """Settings of an encoding."""

    slot: ClassVar[Registry[type[EncodingConfig]]] = ENCODINGS

    @abstractmethod
    def build(self, d_in: int, generator: Generator) -> Encoding: ...
