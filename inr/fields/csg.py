"""Combinations of distance functions: union, intersection, difference, offset, shell, with smooth blends.

Ricci 1973, A constructive geometry for computer graphics; the smooth minimum is Quilez's quadratic polynomial.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig

Operation = Literal["union", "intersection", "difference", "offset", "shell"]


@FIELDS.register("csg", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Csg(FieldConfig):
    """Union, intersection, difference, offset or shell of signed distances f, g; holds its operands exactly.

    | operation | value |
    |---|---|
    | union | min(f, g) |
    | intersection | max(f, g) |
    | difference | max(f, -g) |
    | offset | f - by |
    | shell | abs(f) - by / 2 |

    With a blend k > 0 the minimum is min(f, g) - max(k - |f - g|, 0)^2 / (4 k), at most k / 4 smaller; a maximum is the
    negative of the minimum of the negatives. A value changes at most as fast as the operands do. If they are
    distances or lower bounds of them, it is a lower bound: no step of a sphere tracer passes the surface.
    """

    paper: ClassVar[str] = "Ricci 1973, doi:10.1093/comjnl/16.2.157"

    operation: Operation = param("union", "what is done with the operands")
    first: FieldConfig | None = param(None, "the first operand f")
    second: FieldConfig | None = param(None, "the second operand g; none for offset and shell")
    blend: float = param(0.0, "width k of the blend, in lengths of the unit box", ge=0)
    by: float = param(0.0, "offset, or thickness of a shell, in lengths of the unit box")

    def resolve(self, spec: Spec) -> Csg:
        check_composed(self, spec, self.first)
        if (self.second is None) != (self.operation in ("offset", "shell")):
            raise UsageError(f"csg.operation is {self.operation!r}, which takes another number of operands")
        return super().resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        assert self.first is not None
        second = None if self.second is None else self.second.build(spec, generator)
        return CsgField(self, self.first.build(spec, generator), second)


class CsgField(ComposedField):
    """first, second: the operands."""

    def __init__(self, config: Csg, first: Field, second: Field | None) -> None:
        super().__init__()
        self.config: Csg = config
        self.first, self.second = first, second
        self.smoothness = min(field.smoothness for field in self.operands)
        self.boundary = "extend"

    @property
    def operands(self) -> list[Field]:
        return [self.first] if self.second is None else [self.first, self.second]

    def forward(self, x: Tensor) -> Tensor:
        f = self.first(x)
        if self.second is None:
            return f - self.config.by if self.config.operation == "offset" else f.abs() - self.config.by / 2
        g = self.second(x)
        if self.config.operation == "union":
            return self._least(f, g)
        return -self._least(-f, g if self.config.operation == "difference" else -g)

    def _least(self, f: Tensor, g: Tensor) -> Tensor:
        k = self.config.blend
        least = torch.minimum(f, g)
        return least if k == 0 else least - (k - (f - g).abs()).clamp(min=0).square() / (4 * k)

    def lipschitz_bound(self) -> float | None:
        bounds = [field.lipschitz_bound() for field in self.operands]
        known = [bound for bound in bounds if bound is not None]
        return max(known) if len(known) == len(bounds) else None

    def fold(self) -> Field:
        first = self.first.fold()
        second = None if self.second is None else self.second.fold()
        config = dataclasses.replace(self.config, first=first.config, second=None if second is None else second.config)
        return CsgField(config, first, second)
