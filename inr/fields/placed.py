"""A distance function in another place: moved, turned, scaled, and continued outside its box."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from inr.core.box_extension import beyond_box
from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields._composed import ComposedField, check_composed
from inr.fields._field import FIELDS, Field, FieldConfig

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_ROUNDING = 1e-6


@FIELDS.register("placed", is_listed=False)
@dataclass(frozen=True, kw_only=True)
class Placed(FieldConfig):
    """gain (scale d(A x + shift) + offset) of a distance function d, which has an own unit box.

    With a gain of at most 1 / (largest singular value of A) the result changes at most as fast as d: for moves,
    turns and equal scales it is the distance exactly, for other scales a lower bound. A larger gain is refused.
    is_boxed: d is known in its unit box only, and continued by a lower bound (`inr.core.box_extension`).
    """

    paper: ClassVar[str] = "Hart 1996, doi:10.1007/s003710050084"

    base: FieldConfig | None = param(None, "the field")
    matrix: tuple[float, ...] = param(_IDENTITY, "A, 3 x 3, row by row: from this unit box to the field's own")
    shift: tuple[float, ...] = param((0.0, 0.0, 0.0), "of the coordinates")
    scale: float = param(1.0, "from the field's training values to lengths of its unit box", gt=0)
    offset: float = param(0.0, "the same: added after the scale")
    gain: float = param(1.0, "from lengths of its unit box to those of this one", gt=0)
    is_boxed: bool = param(True, "whether the field is known in its unit box only")

    def resolve(self, spec: Spec) -> Placed:
        check_composed(self, spec, self.base)
        if (len(self.matrix), len(self.shift)) != (9, 3):
            raise UsageError(
                f"placed.matrix and shift have {len(self.matrix)} and {len(self.shift)} numbers, expected 9 and 3"
            )
        stretch = float(
            torch.linalg.matrix_norm(torch.tensor(self.matrix, dtype=torch.float64, device="cpu").reshape(3, 3), 2)
        )
        if self.gain * stretch > 1 + _ROUNDING:
            raise UsageError(
                f"placed.gain is {self.gain:g}, expected at most {1 / stretch:g}: values would be no distances"
            )
        return super().resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        assert self.base is not None
        return PlacedField(self, self.base.build(spec, generator))


class PlacedField(ComposedField):
    """base: the field that is placed."""

    def __init__(self, config: Placed, base: Field) -> None:
        super().__init__()
        self.config: Placed = config
        self.base = base
        self.smoothness = base.smoothness
        self.boundary = "extend"

    def forward(self, x: Tensor) -> Tensor:
        c = self.config
        at = x @ x.new_tensor(c.matrix).reshape(3, 3).T + x.new_tensor(c.shift)
        if not c.is_boxed:
            return c.gain * self._distance(at)
        return c.gain * beyond_box(at, (0.0,) * 3, (1.0,) * 3, lambda p: self._distance(p)[..., 0])[..., None]

    def _distance(self, at: Tensor) -> Tensor:
        value: Tensor = self.base(at) * self.config.scale + self.config.offset
        return value

    def lipschitz_bound(self) -> float | None:
        bound = self.base.lipschitz_bound()
        if bound is None:
            return None
        bound *= self.config.scale
        return max(1.0, bound) if self.config.is_boxed else bound

    def fold(self) -> Field:
        base = self.base.fold()
        return PlacedField(dataclasses.replace(self.config, base=base.config), base)
