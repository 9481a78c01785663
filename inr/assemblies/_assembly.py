"""The assembly slot: how bodies combine over coordinates or space into one network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr._config import Config
from inr._domain import Spec
from inr._registry import Registry
from inr.assemblies._body import BodyPlan

ASSEMBLIES: Registry[type[AssemblyConfig]] = Registry("assembly", "inr.assemblies")


class Assembly(nn.Module):
    """x [*B, D] -> [*B, C]."""

    __call__: Callable[..., Tensor]
    smoothness: float
    outside: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """Values [n_1, ..., n_D, C] on the product of coordinate vectors."""
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor | None:
        """`Field.mean_error` of the assembly's result in one operation; None where there is none."""
        return None

    def lipschitz_bound(self) -> float | None:
        """A bound of |y(a) - y(b)| / |a - b| in the 2-norm; None: not known."""
        return None


class AssemblyConfig(Config):
    """Settings of an assembly."""

    slot: ClassVar[Registry[type[AssemblyConfig]]] = ASSEMBLIES

    def body_spec(self, spec: Spec) -> Spec:
        """The signal as one body sees it: for what its encoding, linear maps, activation and cells are resolved."""
        return spec

    @abstractmethod
    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly: ...
