"""Between two distance functions: their weighted mean."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig


@FIELDS.register("morph", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Morph(FieldConfig):
    """(1 - share) f + share g of two signed distances: the shape of f at 0, of g at 1.

    Concentric balls have balls between them, whose radius goes from one to the other. Shapes that do not overlap vanish
    in between. Values are lower bounds of distances up to a factor: slopes are at most those of f and g.
    """

    paper: ClassVar[str] = "Cohen-Or, Levin and Solomovici 1998, doi:10.1145/274363.274366"

    first: FieldConfig | None = param(None, "f")
    second: FieldConfig | None = param(None, "g")
    share: float = param(0.5, "share of g", ge=0, le=1)

    def resolve(self, spec: Spec) -> Morph:
        check_composed(self, spec, self.first, self.second)
        return super().resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        assert self.first is not None
        assert self.second is not None
        return MorphField(self, self.first.build(spec, generator), self.second.build(spec, generator))


class MorphField(ComposedField):
    """first, second: f and g."""

    def __init__(self, config: Morph, first: Field, second: Field) -> None:
        super().__init__()
        self.config: Morph = config
        self.first, self.second = first, second
        self.smoothness = min(first.smoothness, second.smoothness)
        self.boundary = "extend"

    def forward(self, x: Tensor) -> Tensor:
        return (1 - self.config.share) * self.first(x) + self.config.share * self.second(x)

    def lipschitz_bound(self) -> float | None:
        first, second = self.first.lipschitz_bound(), self.second.lipschitz_bound()
        if first is None or second is None:
            return None
        return (1 - self.config.share) * first + self.config.share * second

    def fold(self) -> Field:
        first, second = self.first.fold(), self.second.fold()
        return MorphField(dataclasses.replace(self.config, first=first.config, second=second.config), first, second)
