"""One time of a field in space and time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig

SPACE_TIME = Spec("shape", 4, 1)


@FIELDS.register("at_time", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class AtTime(FieldConfig):
    """f(x) = F(x, t) of a field F of four coordinates: a shape that moves, at one time."""

    paper: ClassVar[str] = "Novello et al. 2023, arXiv:2201.09636"

    base: FieldConfig | None = param(None, "F")
    time: float = param(0.0, "t as a part of the times that F was trained for", ge=0, le=1)

    def resolve(self, spec: Spec) -> AtTime:
        check_composed(self, spec, self.base)
        assert self.base is not None
        return dataclasses.replace(self, base=self.base.resolve(SPACE_TIME))

    def build(self, spec: Spec, generator: Generator) -> Field:
        assert self.base is not None
        return AtTimeField(self, self.base.build(SPACE_TIME, generator))


class AtTimeField(ComposedField):
    """base: F."""

    def __init__(self, config: AtTime, base: Field) -> None:
        super().__init__()
        self.config: AtTime = config
        self.base = base
        self.smoothness, self.boundary = base.smoothness, base.boundary

    def forward(self, x: Tensor) -> Tensor:
        return self.base(torch.cat([x, torch.full_like(x[..., :1], self.config.time)], dim=-1))

    def fold(self) -> Field:
        base = self.base.fold()
        return AtTimeField(dataclasses.replace(self.config, base=base.config), base)
