"""The assembly slot: how one or several bodies (networks) combine into one function."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr.assemblies._body import BodyPlan
from inr.core.config import Config
from inr.core.domain import Spec
from inr.core.registry import Registry

ASSEMBLIES: Registry[type[AssemblyConfig]] = Registry("assembly", "inr.assemblies")


class Assembly(nn.Module):
    """x [*B, D] -> [*B, C]."""

    __call__: Callable[..., Tensor]
    smoothness: float
    boundary: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """Values [n_1, ..., n_D, C] on the product of coordinate vectors."""
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor | None:
        """`Field.mean_error` of the assembly's output in one fused operation; None if there is no such operation."""
        return None

    def lipschitz_bound(self) -> float | None:
        """A bound of |y(a) - y(b)| / |a - b| in the 2-norm; None: unknown."""
        return None


class AssemblyConfig(Config):
    """Settings of an assembly."""

    slot: ClassVar[Registry[type[AssemblyConfig]]] = ASSEMBLIES

    def body_spec(self, spec: Spec) -> Spec:
        """The spec of one body's input, for which its encoding, linear maps, activation and blocks are resolved."""
        return spec

    @abstractmethod
    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly: ...
