"""The assembly slot: how bodies combine over coordinates or space into one network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor, nn

from inr._config import Config
from inr._registry import Registry
from inr.encodings import EncodingConfig
from inr.layers import ActivationConfig, CellConfig, LinearConfig

ASSEMBLIES: Registry[type[AssemblyConfig]] = Registry("assembly", "inr.assemblies")


@dataclass(frozen=True)
class BodyPlan:
    """What one body (encoding, then `depth` cells of `width`, then a last linear map) is made of."""

    encoding: EncodingConfig
    linear: LinearConfig
    activation: ActivationConfig
    cell: CellConfig
    width: int
    depth: int
    has_bias: bool


class Assembly(nn.Module):
    """x [*B, D] -> [*B, C]."""

    __call__: Callable[..., Tensor]
    smoothness: float
    outside: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...


class AssemblyConfig(Config):
    """Settings of an assembly."""

    slot: ClassVar[Registry[type[AssemblyConfig]]] = ASSEMBLIES

    @abstractmethod
    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly: ...
