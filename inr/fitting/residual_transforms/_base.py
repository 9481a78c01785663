"""The transform slot: what is done to the residual of the mean squared error before it is back-propagated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from inr.core.config import Config
from inr.core.registry import Registry
from inr.fields import Field
from inr.fitting.losses import predict
from inr.signals import Batch

RESIDUAL_TRANSFORMS: Registry[type[ResidualTransformConfig]] = Registry(
    "residual transform", "inr.fitting.residual_transforms", was="transform"
)


class ResidualTransform(ABC):
    """`state` and `restore` make a resumed run exact."""

    def objective(self, field: Field, batch: Batch, groups: tuple[int, int] | None, step: int) -> Tensor:
        """A scalar with the value of mean w (p - t)^2, and the gradient (2 / NC) sum_ic r'_ic dp_ic for r' = w (p - t)
        transformed.
        """
        p = predict(field, batch)
        error = p.detach() - batch.y
        weighted = error if batch.weight is None else error * batch.weight
        changed = self.apply(field, batch, weighted, groups, step)
        pull = (p * changed).sum() * (2 / p.numel())
        return (weighted * error).mean() + (pull - pull.detach())

    @abstractmethod
    def apply(self, field: Field, batch: Batch, residual: Tensor, groups: tuple[int, int] | None, step: int) -> Tensor:
        """The residual [N, C] transformed. groups: as in `BatchIndices`."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


class ResidualTransformConfig(Config):
    """Settings of a transform."""

    slot: ClassVar[Registry[type[ResidualTransformConfig]]] = RESIDUAL_TRANSFORMS

    @abstractmethod
    def build(self) -> ResidualTransform: ...
