"""The encoding slot: coordinates in the unit box to features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Generator, Tensor, nn

from inr.core.config import Config
from inr.core.registry import Registry

ENCODINGS: Registry[type[EncodingConfig]] = Registry("encoding", "inr.encodings")


class Encoding(nn.Module):
    """x [*B, D] in [0, 1]^D -> e [*B, d_out].

    smoothness: largest k for which a loss can use k-th coordinate derivatives (math.inf: all).
    boundary: behaviour outside the unit box: "clamp", "wrap" or "extend" (the formula continues).
    pad_value: value of padding columns in tiny-cuda-nn's layout (1 or 0).
    role: parameter group of the optimizer.
    lipschitz: a bound of |e(x) - e(y)| / |x - y| in the 2-norm; None: unknown.
    """

    __call__: Callable[..., Tensor]
    d_out: int
    smoothness: float
    boundary: str
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
        """e @ weights. Encodings with many features can compute it without storing e."""
        return self(x) @ weights


class EncodingConfig(Config):
    """Settings of an encoding."""

    slot: ClassVar[Registry[type[EncodingConfig]]] = ENCODINGS

    @abstractmethod
    def build(self, d_in: int, generator: Generator) -> Encoding: ...
